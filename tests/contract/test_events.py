"""What was once published must be understood for ever: golden JSON of every event, and what no event may carry."""

import json
from pathlib import Path

import pytest

from scripts.generate_event_docs import TARGET, document
from shared.events import EVENTS, Event
from shared.topology import SUBSCRIPTIONS

GOLDEN = Path(__file__).parent / "golden"
IDENTIFYING = ("patient", "birth", "accession", "referring", "operator", "description", "person")


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text("utf-8")


@pytest.mark.parametrize("name", EVENTS)
def test_golden_json_is_read_and_written_unchanged(name: str) -> None:
    """A changed field shows up here: then it is a new version of the event, beside the old one."""
    event = EVENTS[name].model_validate_json(golden(name))
    assert json.loads(event.model_dump_json()) == json.loads(golden(name))


@pytest.mark.parametrize("name", EVENTS)
def test_fields_of_a_later_version_are_ignored(name: str) -> None:
    content = json.loads(golden(name)) | {"later": "field"}
    assert EVENTS[name].model_validate(content) == EVENTS[name].model_validate_json(golden(name))


@pytest.mark.parametrize("name", EVENTS)
def test_what_an_earlier_version_published_is_understood(name: str) -> None:
    """A field with a default may be missing: what waits in the queues during an upgrade has none of the new ones."""
    fields = EVENTS[name].model_fields
    earlier = {key: value for key, value in json.loads(golden(name)).items() if fields[key].is_required()}
    event = EVENTS[name].model_validate(earlier)
    assert event.key() == EVENTS[name].model_validate_json(golden(name)).key()


def test_every_golden_file_belongs_to_an_event() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(EVENTS)


def fields(schema: dict[str, object]) -> set[str]:
    found: set[str] = set()
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            found |= set(value)
        if isinstance(value, dict):
            found |= fields(value)
    return found


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
def test_no_event_has_a_place_for_identity(event: type[Event]) -> None:
    for field in fields(event.model_json_schema()):
        assert not any(word in field for word in IDENTIFYING), field


def test_names_are_past_tense_addresses_with_a_version() -> None:
    for name, event in EVENTS.items():
        assert name == event.name
        assert name.rsplit(".", 1)[1].startswith("v")


def test_all_that_is_listened_to_exists() -> None:
    assert {event for listened in SUBSCRIPTIONS.values() for event in listened} <= set(EVENTS.values())


def test_the_events_page_is_current() -> None:
    assert TARGET.read_text("utf-8") == document(), "run: python -m scripts.generate_event_docs"
