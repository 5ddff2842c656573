"""Copies of a store's files: what has two names has two in the copy, and nothing gets another file's bytes."""

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.recovery import files

ABOUT = "journal/receiver/a/association.json"
OWED = "journal/receiver/a/1.dcm"
PLACE = "archive/scp_1/1.dcm"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with an instance that is owed."""
    root = tmp_path / "store"
    for path in (ABOUT, OWED, PLACE):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / ABOUT).write_bytes(b"{}")
    (root / OWED).write_bytes(b"an instance")
    os.link(root / OWED, root / PLACE)
    return root


def test_what_is_owed_is_one_file_in_a_copy_and_when_it_comes_back(root: Path, tmp_path: Path) -> None:
    first, second, back = tmp_path / "first", tmp_path / "second", tmp_path / "back"
    files.copy(root, first)
    assert files.copy(root, second, first).linked == 2, "the journal's; the archive's is the same"
    files.copy(second, back)
    for copy in (first, second, back):
        assert (copy / OWED).samefile(copy / PLACE)
        assert (copy / PLACE).read_bytes() == b"an instance"
    assert not (back / PLACE).samefile(second / PLACE)


@pytest.mark.parametrize("reused", [ABOUT, OWED])
def test_an_inode_that_is_another_files_by_now_gives_no_bytes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reused: str
) -> None:
    """What the journal had is paid while the rest is copied, and a new instance gets its inode."""
    new = root / "archive/scp_2/2.dcm"
    walk = files.walk

    def walked(folder: Path) -> Iterator[Path]:
        for path in walk(folder):
            yield path
            if path == root / reused:
                path.write_bytes(b"something new")
                new.parent.mkdir()
                os.link(path, new)

    monkeypatch.setattr(files, "walk", walked)
    files.copy(root, tmp_path / "copy")
    assert (tmp_path / "copy/archive/scp_2/2.dcm").read_bytes() == b"something new"


def test_a_copy_remembers_nothing_of_what_nobody_owes(root: Path, tmp_path: Path) -> None:
    """Millions of links and files, which other backups may share."""
    for study in range(20):
        (root / f"raw/{study}").mkdir(parents=True)
        for number in range(100):
            (root / f"raw/{study}/{number}").symlink_to(root / PLACE)
    tracemalloc.start()
    try:
        files.copy(root, tmp_path / "copy")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000
