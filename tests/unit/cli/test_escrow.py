"""A sealed key opens with its passphrase and with nothing else, into a file of its own."""

import stat
from pathlib import Path

import pytest

from cli.main import run
from shared.escrow import seal

KEY = bytes(range(32))
PASSPHRASE = "correct horse battery"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    file = tmp_path / "words"
    file.write_text(PASSPHRASE + "\nsecond line")
    return file


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    file = tmp_path / "sealed.json"
    file.write_text(seal("ABCD-study", KEY, PASSPHRASE))
    return file


def opened(sealed: Path, words: Path, to: Path) -> int:
    return run(["project", "open-key", str(sealed), "--to", str(to), "--passphrase-file", str(words)])


def test_there_and_back(sealed: Path, words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    assert opened(sealed, words, key) == 0
    assert bytes.fromhex(key.read_text().strip()) == KEY
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    said = "".join(capsys.readouterr())
    assert PASSPHRASE not in said
    assert KEY.hex() not in said


def test_a_file_that_is_there_is_not_overwritten(sealed: Path, words: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("mine")
    assert opened(sealed, words, key) == 2
    assert run(["project", "key", "P", "--to", str(key), "--passphrase-file", str(words)]) == 2
    assert key.read_text() == "mine"


def test_what_does_not_open(sealed: Path, words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    words.write_text("another passphrase")
    assert opened(sealed, words, key) == 1
    assert "the passphrase is another" in capsys.readouterr().err
    sealed.write_text("[]")
    assert opened(sealed, words, key) == 1
    assert "not a sealed project key" in capsys.readouterr().err
    sealed.write_bytes(b"\xff")
    assert opened(sealed, words, key) == 1
    assert not key.exists()
