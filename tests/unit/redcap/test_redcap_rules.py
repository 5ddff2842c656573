"""The decisions: what a REDCap project lacks, which instance is whose, what is taken over, what differs, what waits."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.redcap.definition.lacking import Lack, NewEvent, Unfit, no_event
from services.redcap.definition.schema import Schema, schema_of
from services.redcap.mapping import Mapping, MappingError, load_mapping
from services.redcap.settings import RedcapSettings
from services.redcap.takeover.taking import merged
from services.redcap.targets import delay
from services.redcap.tokens import Tokens
from services.redcap.writing.batch import Numbered, portions, rows_of, told
from services.redcap.writing.instances import Numbers
from shared.tables import RedcapOwed
from tests.integration.redcap_setting import incoming, own

TOKEN = "0123456789ABCDEF" * 2


def longitudinal() -> Schema:
    project = own()
    events = [{"unique_event_name": name, "event_name": label} for name, label in project.events.items()]
    mapping = [{"unique_event_name": event, "form": form} for event, form in project.mapping()]
    repeating = [{"event_name": event, "form_name": form} for event, form in project.repeating()]
    return schema_of(True, project.metadata(), events, mapping, repeating)


def classic() -> Schema:
    return schema_of(False, incoming().metadata(), [], [], [{"form_name": "series"}, {"form_name": "transfers"}])


@pytest.mark.parametrize(
    ("event", "instrument", "fields", "lacks"),
    [
        ("event_1_arm_1", "imaging", ["img_study_instance_uid"], []),
        ("baseline_arm_1", None, ["record_id", "first_name"], []),
        ("year_1_arm_1", None, ["first_name"], ["event year_1_arm_1 is not defined"]),
        (None, None, ["first_name"], ["the mapping names no event"]),
        ("baseline_arm_1", None, ["shoe_size"], ["field shoe_size is not defined"]),
        ("event_1_arm_1", "mri", ["first_name"], ["instrument mri is not defined"]),
        (
            "baseline_arm_1",
            "imaging",
            ["img_event_name"],
            [
                "instrument imaging does not repeat at event baseline_arm_1",
                "instrument imaging is not designated for event baseline_arm_1",
            ],
        ),
        ("event_1_arm_1", None, ["img_event_name"], ["field img_event_name is of an instrument that repeats"]),
        ("event_1_arm_1", "imaging", ["first_name"], ["field first_name is not of instrument imaging"]),
    ],
)
def test_what_a_project_lacks(event: str | None, instrument: str | None, fields: list[str], lacks: list[str]) -> None:
    assert [lack.what for lack in longitudinal().lacks(event, instrument, fields)] == lacks


def test_a_classic_project_has_no_events() -> None:
    schema = classic()
    assert schema.record == "study_instance_uid"
    assert schema.lacks(None, "series", ["series_num_files", "series_complete"]) == []
    (lack,) = schema.lacks(None, None, ["series_num_files"])
    assert lack.what == "field series_num_files is of an instrument that repeats"


def test_an_event_is_found_by_rule_or_by_label() -> None:
    schema = longitudinal()
    assert schema.event("Baseline", 1) == "baseline_arm_1"
    assert schema.event("event 1", 1) == "event_1_arm_1"
    assert schema.event("baseline_arm_1", 1) == "baseline_arm_1"
    with pytest.raises(Unfit, match=r"^event year1_arm_1 is not defined$"):
        schema.event("Year-1", 1)
    with pytest.raises(Unfit):
        schema.event("Baseline", 2)
    spaced = replace(schema, events={"year_1_arm_1": "First year", "deadline_to_return_arm_1": "Deadline to return x"})
    assert spaced.event("Year-1", 1) == "year_1_arm_1"
    assert spaced.event("deadline to return X", 1) == "deadline_to_return_arm_1"
    with pytest.raises(Unfit):
        spaced.event("Deadline to return forms", 1)


@pytest.mark.parametrize(
    ("name", "what", "event"),
    [
        ("Måned 3", "event mned_3_arm_2 is not defined", NewEvent("Måned 3", 2)),
        ("event_1_arm_1", "event event_1_arm_1 is not defined", NewEvent("Event 1", 1)),
        (
            "year_1_follow_up_a_arm_1",
            "event year_1_follow_up_a_arm_1 is not defined",
            NewEvent("Year 1 follow up a", 1),
        ),
        ("year_1_follow_up_after_arm_1", "event year_1_follow_up_after_arm_1 is not defined", None),
        ("visit_arm_1b", "event visit_arm_1b is not defined", None),
    ],
)
def test_which_event_would_mend_it(name: str, what: str, event: NewEvent | None) -> None:
    """One that is known by a unique name only if REDCap would name it so."""
    assert no_event(name, 2) == Lack(what, event)


def test_what_is_lacking_in_part_is_not_mended_in_part() -> None:
    event, field = no_event("Year 1", 1), Lack("field x is not defined")
    assert Unfit(event).additions == [NewEvent("Year 1", 1)]
    assert Unfit(event, field).additions == []
    assert str(Unfit(event, field)) == "event year_1_arm_1 is not defined; field x is not defined"


@pytest.mark.parametrize(
    ("ours", "there", "number"),
    [
        ({}, {}, 1),
        ({"other": 1}, {3: {"uid": "x"}}, 4),
        ({"me": 2}, {}, 2),
        ({"me": 2}, {2: {"uid": "mine"}}, 2),
        ({}, {5: {"uid": "mine"}, 7: {"uid": "mine"}}, 5),
        ({"other": 5}, {5: {"uid": "mine"}}, 6),
        ({"me": 2}, {2: {"uid": "taken by a person"}}, 3),
    ],
)
def test_which_instance_is_whose(ours: dict[str, int], there: dict[int, dict[str, str]], number: int) -> None:
    numbers = Numbers(ours, there)
    assert numbers.of("me", {"uid": "mine"}) == number
    assert numbers.of("me", {"uid": "mine"}) == number
    assert numbers.of("somebody", {"uid": "else"}) != number


def test_what_is_taken_over() -> None:
    there, here = {"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 1, "b": 0, "c": 9, "d": 9, "e": 5}
    taken = {"b": "0", "c": "8"}
    outcome = merged(there, here, taken, str, wins=["d"])
    assert outcome.change == {"b": 2, "d": 4}
    assert outcome.differs == ["c"]


def test_redcaps_words_are_told_without_values() -> None:
    words = '"1.2.3","study_description","kari hansen","The value is not valid for study_description"'
    assert told(words, [{"study_description": "x"}]) == "REDCap does not take it because of study_description"
    assert told("Something about Kari", [{"study_description": "x"}]) == "REDCap does not take it"
    locked = '"1","a","Kari","This field is located on a form that is locked."'
    assert told(locked, [{"a": "x"}]) == "its form is locked there"


def test_portions_are_bounded_and_nothing_is_lost() -> None:
    debts = [Numbered(RedcapOwed(), [{"id": str(number), "text": "x" * 100}]) for number in range(7)]
    assert [len(portion) for portion in portions(debts, 3, 10_000)] == [3, 3, 1]
    assert [len(portion) for portion in portions(debts, 100, 300)] == [2, 2, 2, 1]
    assert [len(portion) for portion in portions(debts, 1, 1)] == [1] * 7
    twice = Numbered(RedcapOwed(), [{"id": "0", "more": "y"}])
    assert rows_of([*debts, twice])[0] == {"id": "0", "text": "x" * 100, "more": "y"}


def test_patience() -> None:
    assert [delay(failures) for failures in (1, 2, 3, 4, 99)] == [10, 60, 600, 3600, 3600]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("incoming: {identities: md5}", "incoming.identities: Input should be 'keyed', 'sha256' or 'none'"),
        ("project: {imaging: {uid: null}}", "project.imaging.uid: Input should be a valid string"),
        ("incoming: {study: {shoe_size: x}}", "incoming.study.shoe_size: Extra inputs are not permitted"),
        ("codings: {UPPER: {a: 1}}", "String should match pattern"),
        ("a: [", "the mapping is not YAML in line 1"),
        ("- 1", "Input should be a valid dictionary"),
    ],
)
def test_a_wrong_mapping_says_what_and_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(content)
    with pytest.raises(MappingError) as error:
        load_mapping(path)
    assert message in str(error.value)


def test_a_mapping_names_what_is_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text("incoming: {errors: {send: 7}}\ncodings: {transfer_project_name: {ABCD-study: 33}}\n")
    mapping = load_mapping(path)
    assert (mapping.incoming.errors.send, mapping.incoming.errors.pixels) == ("7", "3")
    assert mapping.codings == {"transfer_project_name": {"ABCD-study": "33"}}
    path.write_text("")
    assert load_mapping(path) == load_mapping(None) == Mapping()
    with pytest.raises(MappingError, match="cannot be read"):
        load_mapping(tmp_path / "none.yaml")


@pytest.mark.parametrize("url", ["http://redcap.example.org/api/", "ftp://x/", "https://user:pass@x/api/", "redcap"])
def test_an_address_that_would_give_tokens_away_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        RedcapSettings(url=url)


def test_tokens_by_file_and_none_is_shown(tmp_path: Path) -> None:
    (tmp_path / "ABCD-study").write_text(f"{TOKEN}\n")
    (tmp_path / "EMPTY").write_text("\n")
    (tmp_path / "notes.txt").write_text("x")
    settings = RedcapSettings(url="https://redcap.example.org/api/", incoming_token=TOKEN, tokens=tmp_path)
    tokens = Tokens(settings)
    assert tokens.targets() == ["", "ABCD-study", "EMPTY"]
    assert (tokens.of("ABCD-study"), tokens.of("EMPTY"), tokens.of("OTHER"), tokens.of("")) == (
        TOKEN,
        None,
        None,
        TOKEN,
    )
    assert TOKEN not in f"{tokens!r} {settings!r}"
    assert Tokens(RedcapSettings(incoming_token=TOKEN, tokens=tmp_path)).targets() == []
    assert RedcapSettings(url="").url is None
