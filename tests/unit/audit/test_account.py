"""Of every event it is decided whether the audit has an entry of it."""

import json
from pathlib import Path

import pytest

from services.audit.account import LEFT_OUT, TOLD, records_of
from shared.events import EVENTS, Event, SeriesDelivered
from shared.topology import SUBSCRIPTIONS

GOLDEN = Path(__file__).parents[2] / "contract/golden"


def test_every_event_is_told_or_left_out_for_a_reason() -> None:
    assert {event.name for event in TOLD} | set(LEFT_OUT) >= set(EVENTS)
    assert not {event.name for event in TOLD} & set(LEFT_OUT)
    assert set(SUBSCRIPTIONS["audit"]) == set(TOLD)


@pytest.mark.parametrize("event", TOLD, ids=lambda event: event.name)
def test_an_event_becomes_records(event: type[Event]) -> None:
    content = json.loads((GOLDEN / f"{event.name}.json").read_text("utf-8"))
    records = records_of(event.model_validate(content), "c")
    assert len(records) == len(content.get("studies", [None]))
    for record in records:
        assert (record.operation, record.actor_kind, record.correlation) == (TOLD[event].operation, "service", "c")
        assert record.details or record.study_instance_uid


def test_whose_it_is_has_columns_and_the_rest_are_details() -> None:
    event = SeriesDelivered(
        transfer="t", destination="research", series_instance_uid="1.2.3.4", revision=1, delivered=4, refused=0
    )
    [record] = records_of(event, "")
    assert record.details == event.model_dump()
    assert record.study_instance_uid is None
