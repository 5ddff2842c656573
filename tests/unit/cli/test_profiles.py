"""`fiona profile` on files and built-in profiles: it needs no gateway, and says what the library says."""

import json
from pathlib import Path

import pytest

from cli.main import run
from deidentification.profiles import BUILT_IN, digest, read_profile, write_profile

MINE = "name: ABCD-study\nbase: basic\nattributes:\n  SeriesDescription: clean\n  KVP: remove\n"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIONA_API", "http://127.0.0.1:9")


@pytest.fixture
def mine(tmp_path: Path) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    return str(file)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "list", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {each["name"]: each["digest"] for each in said} == {
        name: digest(profile) for name, profile in BUILT_IN.items()
    }
    assert run(["profile", "list"]) == 0
    assert "fiona" in capsys.readouterr().out


def test_show_is_yaml_that_reads_back(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in BUILT_IN:
        assert run(["profile", "show", name]) == 0
        assert read_profile(capsys.readouterr().out) == BUILT_IN[name]
    assert run(["profile", "show", mine]) == 0
    assert capsys.readouterr().out == write_profile(read_profile(MINE))


def test_check(mine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "check", mine]) == 0
    assert f"valid, digest {digest(read_profile(MINE))}" in capsys.readouterr().out
    assert run(["profile", "check", mine, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["valid"] is True
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(MINE + "  SeriesDescriptoin: remove\n  PatientName: keep\n")
    assert run(["profile", "check", str(wrong), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not said["valid"]
    assert "attributes.SeriesDescriptoin" in {each["where"] for each in said["problems"]}
    assert run(["profile", "check", str(wrong)]) == 1
    assert "attributes.SeriesDescriptoin" in capsys.readouterr().out
    wrong.write_bytes(b"\xff\xfe")
    assert run(["profile", "check", str(wrong)]) == 1


@pytest.mark.parametrize("attribute", ["SeriesDescription", "(0008,103E)", "0008,103e"])
def test_explain(attribute: str, mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "explain", attribute]) == 0
    assert "SeriesDescription is removed (PS3.15 E.1-1" in capsys.readouterr().out
    assert run(["profile", "explain", attribute, "--profile", mine]) == 0
    assert "the project's own rule" in capsys.readouterr().out
    assert run(["profile", "explain", attribute, "--profile", mine, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["tag"], said["top"]["act"], said["top"]["code"]) == ("(0008,103E)", "clean", "C")


def test_the_sop_class_decides_where_the_type_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "explain", "StudyTime", "--sop-class", "1.2.840.10008.5.1.4.1.1.2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["top"]["type"] == "2"


def test_diff(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "diff", "basic", mine, "--json"]) == 0
    said = {each["attribute"]: each for each in json.loads(capsys.readouterr().out)}
    assert said["KVP"] == {"attribute": "KVP", "tag": "(0018,0060)", "before": "stays as it is", "after": "is removed"}
    assert "SeriesDescription" in said
    assert run(["profile", "diff", "basic", "basic"]) == 0
    assert "they do the same" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show"], 2),
        (["show", "basic", "--project", "P"], 2),
        (["show", "nothing"], 4),
        (["explain", "NoSuchKeyword"], 2),
        (["explain", "0008103E"], 2),
        (["explain", "KVP", "--profile", "nothing"], 4),
        (["explain", "KVP", "--profile", "basic", "--project", "P"], 2),
        (["diff", "basic"], 2),
        (["diff", "basic", "fiona", "--project", "P"], 2),
        (["check", "/no/such/file"], 2),
        (["show", "--project", "P"], 3),
        (["diff", "basic", "--project", "P"], 3),
        (["versions", "P"], 3),
    ],
)
def test_how_it_ends(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", *arguments]) == code
    assert capsys.readouterr().out == ""
