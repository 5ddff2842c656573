"""Deterministic places, and writing that is whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from shared.store import Store, valid_uid


@pytest.mark.parametrize("uid", ["1.2.840.10008", "1", "1.02.3", "1" * 64])
def test_uids_that_devices_send(uid: str) -> None:
    assert valid_uid(uid)


@pytest.mark.parametrize("uid", ["", "1" * 65, "1..2", ".1", "1.", "../1", "1.2/3", "1.2\n", "1.2 ", "a.b", "1.２"])
def test_texts_that_are_no_uids(uid: str) -> None:
    assert not valid_uid(uid)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd"])
def test_no_path_leads_out(store: Store, path: str) -> None:
    with pytest.raises(ValueError, match="out of the store"):
        store / path


def test_written_whole(store: Store) -> None:
    store.write("a/b/c.json", b"first")
    store.write("a/b/c.json", b"second")
    assert (store / "a/b/c.json").read_bytes() == b"second"
    assert [path.name for path in (store / "a/b").iterdir()] == ["c.json"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("a.json", b"first")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        store.write("a.json", b"second")
    assert (store / "a.json").read_bytes() == b"first"
    assert [path.name for path in store.root.iterdir()] == ["a.json"]


def test_links_move_with_the_store(store: Store, tmp_path: Path) -> None:
    store.write("archive/scp_1/2.dcm", b"image")
    store.link("raw/1/3/2", "archive/scp_1/2.dcm")
    store.link("raw/1/3/2", "archive/scp_1/2.dcm")
    store.root.rename(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere/raw/1/3/2").read_bytes() == b"image"
