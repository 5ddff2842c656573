"""`fiona keys rotate`, as somebody types it."""

import json
from pathlib import Path

import pytest

from cli.main import run

OLD, NEW, STRANGE = "o" * 32, "n" * 32, "s" * 32


def test_keys_are_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FIONA_DATA", str(tmp_path))
    monkeypatch.setenv("FIONA_SECRET_KEY", OLD)
    assert run(["keys", "rotate"]) == 0
    assert "all 1 are sealed with the key of today" in capsys.readouterr().out

    monkeypatch.setenv("FIONA_SECRET_KEY", STRANGE)
    assert run(["keys", "rotate"]) == 2
    assert "another master key" in capsys.readouterr().err

    monkeypatch.setenv("FIONA_SECRET_KEY", NEW)
    monkeypatch.setenv("FIONA_SECRET_KEY_OLD", OLD)
    assert run(["keys", "rotate", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left"] == 1
    assert run(["keys", "rotate"]) == 0
    said = capsys.readouterr()
    assert "1 sealed anew" in said.out
    assert "vault_keys" in said.err

    monkeypatch.delenv("FIONA_SECRET_KEY_OLD")
    assert run(["keys", "rotate", "--dry-run"]) == 0


def test_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FIONA_DATA", str(tmp_path))
    monkeypatch.setenv("FIONA_DATABASE_URL", "postgresql+asyncpg://nobody@127.0.0.1:1/fiona")
    monkeypatch.setenv("FIONA_SECRET_KEY", NEW)
    assert run(["keys", "rotate"]) == 3
    assert "cannot be reached" in capsys.readouterr().err
