"""Bad input: a reason in seconds and in little memory, and the rest goes on."""

import os
import socket
from itertools import pairwise
from pathlib import Path

import pytest

from deidentification import CannotDeidentify, deidentify, deidentify_all, deidentify_folder
from tests.unit.deidentification import bad_inputs, study
from tests.unit.deidentification.bad_inputs import Tried, bombs, lying, random_bytes, sample, truncated, try_all
from tests.unit.deidentification.builders import SUBJECT, Bench, ct, encoded
from tests.unit.deidentification.hostile import BASIC, verdict
from tests.unit.deidentification.study_patient import leaks

SECONDS = 20.0
# What a process needs that has imported the engine and de-identified a small file, in MiB; measured on the spot.
ALLOWED = 160.0

PICTURES = (
    *("RLE of 65535 x 65535", "JPEG of 65535 x 65535", "native of 65535 x 65535"),
    *("JPEG that is larger than it says", "two thousand million frames"),
)


def laid_out(folder: Path, contents: dict[str, bytes]) -> Path:
    """The contents as files, a sound one before and one after them."""
    folder.mkdir()
    for name, content in {"00 sound": encoded(ct()), **contents, "zz sound": encoded(ct())}.items():
        (folder / name.replace("/", "_")).write_bytes(content)
    return folder


def check(tried: list[Tried], allowed: float = ALLOWED) -> None:
    """All were tried, the sound ones passed, none took long or grew the process."""
    first, last = tried[0], tried[-1]
    assert (first.rule, last.rule) == ("", "")
    slow = [each for each in tried if each.seconds > SECONDS]
    grown = [each for before, each in pairwise(tried) if each.peak - max(before.peak, first.peak) > allowed]
    assert (slow, grown) == ([], [])


def test_bombs_are_defused(tmp_path: Path) -> None:
    contents = bombs()
    tried = try_all(laid_out(tmp_path / "in", contents), "basic")
    assert len(tried) == len(contents) + 2
    check(tried)


def test_pictures_that_promise_too_much_are_not_decoded(tmp_path: Path) -> None:
    contents = {name: content for name, content in bombs().items() if name in PICTURES}
    assert len(contents) == len(PICTURES)
    tried = try_all(laid_out(tmp_path / "in", contents), "reading")
    check(tried)
    assert [each.name for each in tried[1:-1] if not each.rule] == []


@pytest.mark.parametrize("name", ["ct", "sr", "deflated", "rle"])
def test_truncated_at_many_bytes(bench: Bench, name: str) -> None:
    content = sample()[name]
    for cut in truncated(content, max(1, len(content) // 150)):
        output = verdict(bench, cut)
        assert output is None or leaks(output) == []


@pytest.mark.parametrize("name", ["ct", "sr", "rle"])
def test_lengths_that_lie(bench: Bench, name: str) -> None:
    for content in lying(sample()[name], (0, 3, 0xFFFF, 0x7FFFFFFE, 0xFFFFFFFE)):
        try:
            bench.written(content)
        except CannotDeidentify as refusal:
            reason = str(refusal)
            assert leaks(reason.encode()) == []
        for path in bench.out.rglob("*.dcm"):
            path.unlink()


def test_random_bytes_are_refused(bench: Bench) -> None:
    for content in random_bytes(300):
        assert verdict(bench, content) is None


SYNTAXES = (
    *("1.2.3.4", "1.2.840.10008.1.2.4.999", "1.2.840.10008.5.1.4.1.1.2", "", "x", "1" * 300),
    "1.2.840.10008.1.2\\1.2",
)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_unknown_transfer_syntaxes(bench: Bench, syntax: str) -> None:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    content = encoded(ct())
    old = b"UI\x14\x001.2.840.10008.1.2.1\0"
    assert old in content
    new = content.replace(old, b"UI" + len(value).to_bytes(2, "little") + value)
    output = verdict(bench, new, b"Nordmann")
    assert output is None or not syntax


def test_what_is_no_file(tmp_path: Path) -> None:
    kinds = {name: tmp_path / name for name in ("folder", "pipe", "dangling", "absent", "socket", "device", "loop")}
    kinds["folder"].mkdir()
    os.mkfifo(kinds["pipe"])
    kinds["dangling"].symlink_to(tmp_path / "nothing")
    kinds["loop"].symlink_to(kinds["loop"])
    kinds["device"].symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(kinds["socket"]))
        for path in kinds.values():
            with pytest.raises((CannotDeidentify, OSError)):
                deidentify(path, tmp_path / "out", SUBJECT, BASIC)
        assert not (tmp_path / "out").exists()
        (tmp_path / "sound.dcm").write_bytes(encoded(ct()))
        report = deidentify_folder(tmp_path, tmp_path.with_name("elsewhere"), SUBJECT, BASIC)
    assert len(report.written) == 1


def test_the_rest_goes_on(tmp_path: Path) -> None:
    bad = [b"", b"no DICOM at all", encoded(ct())[:-8], study.encoded("pdf"), *random_bytes(3)]
    sources = []
    for number in range(2 * len(bad)):
        path = tmp_path / f"{number:02}"
        path.write_bytes(bad[number // 2] if number % 2 else encoded(ct(SOPInstanceUID=f"1.2.826.0.19700203.{number}")))
        sources.append(path)
    outcomes = list(deidentify_all(iter(sources), tmp_path / "out", SUBJECT, BASIC))
    refused = [isinstance(outcome, CannotDeidentify) for outcome in outcomes]
    assert refused == [bool(number % 2) for number in range(len(sources))]
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) == len(bad)
    assert {path.suffix for path in written} == {".dcm"}


def test_what_the_child_says_is_of_the_engine() -> None:
    assert set(bad_inputs.profiles()) == {"basic", "reading"}
