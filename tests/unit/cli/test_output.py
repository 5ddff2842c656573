"""Tables hide nothing, scripts get JSON alone, and nothing that a device wrote reaches the terminal raw."""

import json
from io import StringIO

import pytest
from rich.console import Console

from cli.output import clean, listing, record, table

UID = "1.2.826.0.1.3680043.8.498." + "1234567890" * 3 + "12345678"
COLUMNS = (
    ("StudyInstanceUID", "uid"),
    ("Instances", "instances"),
    ("Twice", lambda item: item["instances"] * 2),
)


def rendered(width: int) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(table([{"uid": UID, "instances": 3}], COLUMNS))
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_a_narrow_table_folds_a_uid_instead_of_cutting_it() -> None:
    shown = rendered(50)
    assert "…" not in shown
    first_column = [line.split()[0] for line in shown.splitlines() if line.strip()[:1].isdigit()]
    assert "".join(first_column) == UID


def test_no_terminal_no_wrapping_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    listing([{"uid": UID * 4, "instances": 3}], COLUMNS, as_json=False, empty="none")
    shown = capsys.readouterr().out
    assert UID * 4 in shown
    assert "\x1b" not in shown


def test_json_is_all_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"uid": UID, "name": "Å", "nested": {"a": [1, None]}}]
    listing(iter(items), COLUMNS, as_json=True, empty="none")
    record(items[0], as_json=True)
    said = capsys.readouterr()
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(said.out)
    assert (first, json.loads(said.out[end:]), said.err) == (items, items[0], "")


def test_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    listing([], COLUMNS, as_json=False, empty="no studies")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "no studies\n")
    listing([], COLUMNS, as_json=True, empty="no studies")
    said = capsys.readouterr()
    assert (json.loads(said.out), said.err) == ([], "")


def test_values_are_text_not_markup_and_not_control_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    record({"description": "[red]T1[/red] \x1b[2Jgone\r\n", "patient": "[/]"}, as_json=False)
    shown = capsys.readouterr().out
    assert "[red]T1[/red] \ufffd[2Jgone" in shown
    assert "[/]" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (0, "0"),
        (["MR", "CT"], "MR, CT"),
        ({"a": 1}, '{"a": 1}'),
        ("tab\there", "tab\ufffdhere"),
    ],
)
def test_clean(value: object, text: str) -> None:
    assert clean(value) == text


def test_the_times_of_one_thing_are_those_of_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIONA_TIMEZONE", "Europe/Oslo")
    record({"expires_at": "2026-07-01T12:00:00Z", "since": None, "disabled_at": ""}, as_json=False)
    assert "2026-07-01 14:00:00" in capsys.readouterr().out
