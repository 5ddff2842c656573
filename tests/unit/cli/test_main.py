"""The exit codes of commands that need no gateway, or do not find one."""

import json
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from cli.main import run

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIONA_API", NOWHERE)


def bundled(name: str) -> str:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["studies", "--no-such-option"],
        ["studies", "--waiting", "--assigned"],
        ["send"],
        ["send", "--patient", "X", "--last", "3"],
        ["send", "/no/such/path"],
        ["send", __file__, "--to", "AET@host"],
        ["send", __file__, "--to", "AET@host:1", "--project", "PROJECT"],
        ["send", __file__, "--participant", "P1"],
        ["up", "no-such-service"],
        ["dead", "drop"],
        ["switch", "send"],
        ["switch", "send", "off"],
        ["switch", "everything", "off", "--reason", "x"],
        ["dead", "drop", "x", "--all"],
        ["destination", "add", "x", "dicom"],
        ["destination", "add", "x", "folder", "--set", "novalue"],
        ["coupling", "add", "PROJECT", "P1"],
        ["rule", "add", "PROJECT"],
        ["rule", "add", "PROJECT", "--auto-id", "--attribute", "StudyDescription"],
        ["rule", "add", "PROJECT", "--auto-id", "--called", "AE1", "--called", "AE2"],
        ["rule", "set", "r"],
        ["rule", "set", "r", "--calling", "AE1", "--calling", "AE2"],
        ["rule", "move", "r"],
        ["rule", "move", "r", "--first", "--last"],
        ["participant", "add"],
        ["quarantine", "release", "t1", "--all"],
        ["quarantine", "release", "t1", "--reason", "x"],
        ["quarantine", "drop", "t1", "1.2", "--all", "--reason", "x"],
        ["quarantine", "show", "t1", "--value"],
        ["profile", "set", "PROJECT", "/no/such/file", "--reason", "x"],
        ["project", "set", "PROJECT"],
        ["attributes", "mark", "PROJECT", "(0008,0008)"],
        ["config", "import", "/no/such/file"],
        ["deidentify", "/no/such/folder", "out"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["studies", "--json"],
        ["study", "show", "1.2.3"],
        ["assign", "1.2.3", "PROJECT", "P1"],
        ["transfers"],
        ["transfers", "--watch"],
        ["quarantine", "list"],
        ["quarantine", "drop", "t1", "--all", "--reason", "x", "--yes"],
        ["quarantine", "reviews"],
        ["pixels", "t1"],
        ["attributes", "list", "PROJECT"],
        ["attributes", "proposal", "PROJECT"],
        ["profile", "versions", "PROJECT"],
        ["project", "set", "PROJECT", "--inactive"],
        ["dead", "list"],
        ["status", "--json"],
        ["switch", "send", "on"],
        ["monitor"],
        ["project", "add", "PROJECT", "--destination", "x"],
        ["destination", "add", "x", "folder"],
    ],
)
def test_no_gateway_is_3(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert NOWHERE in said.err


def test_nobody_to_send_to_is_3() -> None:
    assert run(["send", bundled("CT_small.dcm"), "--to", "NOBODY@127.0.0.1:9"]) == 3


def test_nothing_to_send_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["send", __file__]) == 1
    assert "no DICOM file among 1" in capsys.readouterr().err


def test_a_store_that_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIONA_DATA", str(tmp_path))
    assert run(["send", "--last", "7"]) == 1
    assert "the store is not on this machine" in capsys.readouterr().err


def test_config_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.json"
    file.write_text(
        json.dumps({"DICOMIP": "10.0.0.5", "DICOMPORT": "11112", "DATADIR": "/data dir", "SERVERUSER": "x"})
    )
    assert run(["config", "import", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "FIONA_RECEIVER_HOST=10.0.0.5",
        "FIONA_RECEIVER_PORT=11112",
        "FIONA_DATA='/data dir'",
    ]
    assert "SERVERUSER" in said.err
    assert run(["config", "import", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["FIONA_DATA"] == "/data dir"
    file.write_text("[")
    assert run(["config", "import", str(file)]) == 1
