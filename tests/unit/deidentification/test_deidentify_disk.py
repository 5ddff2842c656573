"""Errors of the file system go to the caller; results are durable before they count."""

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from deidentification import BASIC, CannotDeidentify, Deidentified, deidentify, deidentify_all
from deidentification.committing import GROUP, Committer, Held
from deidentification.gate import gate
from tests.unit.deidentification.builders import SUBJECT, Bench, ct, encoded


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ESTALE, errno.ENOMEM])
@pytest.mark.parametrize("call", ["open", "pread"])
def test_a_problem_of_the_disk_is_no_quarantine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    path, real = bench.file(encoded(ct())), getattr(os, call)

    def failing(*arguments: object, **more: object) -> object:
        if call == "pread" or arguments[0] == path:
            raise OSError(number, "the disk")
        return real(*arguments, **more)

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(OSError, match="the disk") as raised:
        deidentify(path, bench.out, SUBJECT, BASIC)
    assert raised.value.errno == number
    monkeypatch.undo()
    assert not [left for left in bench.out.rglob("*") if left.is_file()]


def test_a_file_that_is_gone_is_refused_as_missing(bench: Bench) -> None:
    with pytest.raises(CannotDeidentify) as refusal:
        deidentify(bench.folder / "gone.dcm", bench.out, SUBJECT, BASIC)
    assert (refusal.value.rule, refusal.value.where) == ("missing", "")


def many(bench: Bench, count: int) -> list[Path]:
    """So many slices in files of their own."""
    paths = []
    for number in range(1, count + 1):
        paths.append(bench.folder / f"{number}.dcm")
        paths[-1].write_bytes(encoded(ct(SOPInstanceUID=f"1.2.826.0.19700203.9.{number}")))
    return paths


@pytest.mark.parametrize("kind", ["loop", "folder", "pipe"])
def test_what_is_no_file_is_refused(bench: Bench, kind: str) -> None:
    path = bench.folder / kind
    if kind == "loop":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(CannotDeidentify, match="unreadable"):
        deidentify(path, bench.out, SUBJECT, BASIC)


def test_what_was_made_before_an_error_is_whole(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, real = many(bench, 21), os.open

    def failing(path: Path, *arguments: int) -> int:
        if path == paths[-1]:
            raise OSError(errno.EIO, "the disk")
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(OSError, match="the disk"):
        list(deidentify_all(paths, bench.out, SUBJECT, BASIC))
    files = [path for path in bench.out.rglob("*") if path.is_file()]
    assert len(files) == 20
    assert not [path for path in files if path.name.startswith(".")]


def test_a_sync_that_fails_leaves_nothing_and_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        list(deidentify_all(many(bench, 3), bench.out, SUBJECT, BASIC))
    assert not [path for path in bench.out.rglob("*") if path.is_file()]


def test_an_outcome_is_given_only_after_file_and_folder_are_on_disk_durable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = set[str](), os.fsync

    def watched(fd: int) -> None:
        fsync(fd)
        synced.add(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(os, "fsync", watched)
    for outcome in deidentify_all(many(bench, 3 * GROUP), bench.out, SUBJECT, BASIC):
        assert isinstance(outcome, Deidentified)
        path = bench.out / outcome.path
        assert path.is_file()
        assert any(name.startswith(f"{path.parent}/.{path.name}.") for name in synced)
        assert str(path.parent) in synced


def test_a_group_begins_without_waiting_for_more_when_somebody_waits(tmp_path: Path) -> None:
    with Committer[str]() as committer:
        held = []
        for name in ("a", "b"):
            temporary = f"{tmp_path}/.{name}"
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o640)
            held.append(Held(name, fd, temporary, f"{tmp_path}/{name}", 0))
            committer.take(held[-1])
        assert [committer.wait(each) for each in held] == ["a", "b"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert "commit" not in {thread.name for thread in threading.enumerate()}


def test_nothing_touches_the_disk_before_the_gate_has_looked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def looked(*_: object) -> None:
        seen.append([path.name for path in bench.out.rglob("*") if path.is_file()])
        raise CannotDeidentify("gate-name", "stopped here")

    monkeypatch.setattr(gate, "verify", looked)
    assert bench.refusal(encoded(ct())).rule == "gate-name"
    assert seen == [[]]


def test_a_disk_that_changes_what_was_written_is_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read, source = os.pread, bench.file(encoded(ct()))

    def changed(fd: int, count: int, offset: int) -> bytes:
        data = read(fd, count, offset)
        return data[::-1] if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_RDWR else data

    monkeypatch.setattr(os, "pread", changed)
    with pytest.raises(OSError, match="does not hold"):
        deidentify(source, bench.out, SUBJECT, BASIC)
    assert [path for path in bench.out.rglob("*") if path.is_file()] == []
