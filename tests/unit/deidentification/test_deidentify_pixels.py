"""Pixel bytes: copied as they are, blanked only where text rides, never in memory as a whole."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from tests.unit.deidentification.builders import Bench, ct, encoded, raw

LARGE = 200 << 20
ROOT = Path(__file__).parents[3]
CANARY = b"CANARY Nordmann Kari"
END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def fragment(content: bytes) -> bytes:
    """One fragment, padded."""
    content += b"\0" * (len(content) % 2)
    return b"\xfe\xff\x00\xe0" + struct.pack("<L", len(content)) + content


# Two segments, each a run of 16 equal bytes: the image of `ct` (PS3.5 Annex G).
RUNS = struct.pack("<16L", 2, 64, 66, *[0] * 13) + b"\xf1\1\xf1\2"


def encapsulated(syntax: str, *fragments: bytes, end: bytes = END, frames: int | None = None) -> bytes:
    """A CT whose pixel data is an empty offset table and the fragments."""
    data = ct() if frames is None else ct(NumberOfFrames=frames)
    del data["PixelData"]
    content = encoded(data)
    name = b"1.2.840.10008.1.2.1\0"
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    at = content.index(name)
    grown = struct.unpack("<L", content[140:144])[0] + len(value) - len(name)
    head, middle, rest = content[:140], content[144 : at - 2], content[at + len(name) :]
    content = head + struct.pack("<L", grown) + middle + struct.pack("<H", len(value)) + value + rest
    body = raw(0x7FE00010, b"OB", b"", 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\0\0\0\0"
    return content + body + b"".join(map(fragment, fragments)) + end


def segment(marker: int, content: bytes) -> bytes:
    """One marker segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


SCAN = segment(0xDA, b"\1\1\0\0\x3f\0") + b"scan data \xff\xfe stays CANARYSCAN \xff\xd9"
JFIF, ADOBE, TABLE = (
    segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
    segment(0xEE, b"Adobe\0\x64\0\0\0\0\1"),
    segment(0xDB, bytes(65)),
)


def test_jpeg_comments_and_application_segments_become_zeros(bench: Bench) -> None:
    noisy = (
        b"\xff\xd8" + JFIF + segment(0xFE, CANARY) + segment(0xE1, b"Exif\0\0" + CANARY) + ADOBE + TABLE
        + segment(0xE0, b"JFXX\0" + CANARY) + segment(0xED, b"Photoshop" + CANARY) + SCAN
    )  # fmt: skip
    content = encapsulated(JPEGBaseline8Bit, noisy, noisy, frames=2)
    output = bench.written(content)
    assert CANARY not in output
    assert b"Exif" not in output
    assert output.count(JFIF) == output.count(ADOBE) == output.count(TABLE) == output.count(SCAN) == 2
    tail = len(content) - content.rindex(b"\xe0\x7f\x10\0OB")
    assert len(output[output.rindex(b"\xe0\x7f\x10\0OB") :]) == tail


def test_jfif_thumbnail_and_jpeg_ls_colour_transform(bench: Bench) -> None:
    thumbnail = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\2\2" + CANARY)
    colours = segment(0xE8, b"mrfx\1")
    output = bench.written(encapsulated(JPEGLSLossless, b"\xff\xd8" + thumbnail + colours + SCAN))
    assert CANARY not in output
    assert b"JFIF\0\1\1\0\0\1\0\1\2\2" in output
    assert colours in output


def test_jpeg_2000_comments_of_both_headers_become_zeros(bench: Bench) -> None:
    def tile(body: bytes) -> bytes:
        header = segment(0x64, b"\0\1" + CANARY)
        rest = header + b"\xff\x93" + body
        return b"\xff\x90" + struct.pack(">HHLBB", 10, 0, 12 + len(rest), 0, 1) + rest

    stream = (
        b"\xff\x4f"
        + segment(0x51, bytes(40))
        + segment(0x64, b"\0\1" + CANARY)
        + tile(b"CODEDATA")
        + tile(b"MOREDATA")
        + b"\xff\xd9"
    )
    output = bench.written(encapsulated(JPEG2000, stream))
    assert CANARY not in output
    assert b"CODEDATA" in output
    assert b"MOREDATA" in output
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + struct.pack(">L", 8 + len(CANARY)) + b"xml " + CANARY
    output = bench.written(encapsulated(JPEG2000, boxes + struct.pack(">L", 8 + len(stream)) + b"jp2c" + stream))
    assert CANARY not in output
    assert b"CODEDATA" in output


PLAIN = segment(0xDA, b"\1\1\0\0\x3f\0") + b"plain data \xff\0 stays\xff\xd9"
FRAME = b"\xff\xd8" + TABLE + PLAIN
START = b"\xff\x4f" + segment(0x51, bytes(40))
# A tile-part of unknown length, and one that says how long it is.
OPEN_TILE = b"\xff\x90\0\x0a\0\0\0\0\0\0\0\1\xff\x93packets"
TILE = b"\xff\x90\0\x0a\0\0\0\0\0\x16\0\1\xff\x93packets."


@pytest.mark.parametrize("marker", [0xF0, 0xF9, 0xFD, 0xDE, 0xC8, 0x02])
def test_segments_that_no_decoder_needs_become_zeros(bench: Bench, marker: int) -> None:
    output = bench.written(encapsulated(JPEGBaseline8Bit, b"\xff\xd8" + segment(marker, CANARY) + TABLE + SCAN))
    assert CANARY not in output
    assert TABLE + SCAN in output


def test_a_second_image_in_a_fragment_becomes_zeros(bench: Bench) -> None:
    assert bench.written(encapsulated(JPEGBaseline8Bit, FRAME + FRAME)).count(PLAIN) == 1
    stream = START + OPEN_TILE + b"\xff\xd9"
    assert bench.written(encapsulated(JPEG2000, stream + stream)).count(b"packets") == 1
    box = struct.pack(">L", 8 + len(stream)) + b"jp2c" + stream
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + box + box
    assert bench.written(encapsulated(JPEG2000, boxes)).count(b"packets") == 1


@pytest.mark.parametrize(
    ("syntax", "fragments", "frames"),
    [
        (JPEGBaseline8Bit, (FRAME, FRAME), None),
        (JPEGBaseline8Bit, (FRAME, FRAME, FRAME), 2),
        (JPEGBaseline8Bit, (FRAME, FRAME), 3),
        (JPEGBaseline8Bit, (FRAME + FRAME,), 2),
        (JPEGBaseline8Bit, (FRAME[:-2], b"KARI BAKKE 12345"), None),
        (JPEGBaseline8Bit, (FRAME[:-2] + FRAME,), None),
        (JPEGBaseline8Bit, (FRAME[:-2], FRAME), 2),
        (JPEG2000, (START + OPEN_TILE + b"\xff\xd9", START + OPEN_TILE + b"\xff\xd9"), None),
        (JPEG2000, (START + OPEN_TILE + b".", START + OPEN_TILE + b"\xff\xd9"), None),
        (JPEG2000, (START + OPEN_TILE + b".", b"more packets"), None),
        (JPEG2000, (START + TILE.replace(b"\x16", b"\x90") + b"\xff\xd9" + START + OPEN_TILE + bytes(99),), None),
        (RLELossless, (RUNS, RUNS), None),
        (RLELossless, (RUNS,), 2),
        ("1.2.840.10008.1.2.4.110", (b"\xff\x0aJPEG XL", b"\xff\x0aJPEG XL"), None),
    ],
)
def test_as_many_images_as_frames(bench: Bench, syntax: str, fragments: tuple[bytes, ...], frames: int | None) -> None:
    assert bench.refusal(encapsulated(syntax, *fragments, frames=frames)).rule == "pixel-decode"


@pytest.mark.parametrize(
    ("syntax", "fragments"),
    [
        (JPEGBaseline8Bit, (FRAME[:-14], FRAME[-14:], FRAME)),
        (JPEG2000, (START + OPEN_TILE + b".", b"more" + b"\xff\xd9", START + TILE + b"\xff\xd9")),
        (JPEG2000, (START + TILE[:-4], TILE[-4:] + TILE + b"\xff\xd9", START + TILE)),
        (JPEG2000, (START + TILE + bytes(4), START + TILE + TILE)),
        (RLELossless, (RUNS, RUNS)),
    ],
)
def test_frames_in_one_or_several_fragments_stay(bench: Bench, syntax: str, fragments: tuple[bytes, ...]) -> None:
    content = encapsulated(syntax, *fragments, frames=2)
    output = bench.written(content)
    at = b"\xe0\x7f\x10\0OB"
    assert output[output.rindex(at) :] == content[content.rindex(at) :]


@pytest.mark.parametrize(
    "fragments",
    [
        (FRAME[:-2] + b"\xff\xfe\0\x40KARI", b"BAKKE\xff\xd9"),
        (FRAME[:-3] + b"\xff", b"\xd9KARI BAKKE\xff\xd9"),
    ],
)
def test_nothing_hides_between_two_fragments(bench: Bench, fragments: tuple[bytes, ...]) -> None:
    assert len(fragments[0]) % 2 == 0
    assert bench.refusal(encapsulated(JPEGBaseline8Bit, *fragments)).rule == "compressed-header"


def test_nothing_follows_the_sequence_delimiter(bench: Bench) -> None:
    content = encapsulated(RLELossless, RUNS)
    output = bench.written(content + raw(0x00100010, b"PN", CANARY) + CANARY)
    assert output.endswith(content[content.rindex(b"\xe0\x7f\x10\0OB") :])


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (encapsulated(RLELossless, RUNS, end=b""), "truncated"),
        (encapsulated(RLELossless, RUNS, end=b"\xfe\xff\x00\xe0\xff\xff\0\0"), "truncated"),
        (encapsulated(RLELossless, RUNS, end=raw(0x00100010, b"PN", CANARY)), "truncated"),
        (encapsulated("1.2.840.10008.1.2.1", b"\1" * 70), "pixel-encapsulation"),
        (encapsulated(JPEGBaseline8Bit, b"\xff\xd8" + segment(0xFE, CANARY)[:10]), "compressed-header"),
        (encapsulated(JPEGBaseline8Bit, b"\xff\xd8" + JFIF), "compressed-header"),
        (encapsulated(JPEG2000, b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\4xml " + CANARY), "compressed-header"),
    ],
)
def test_lying_fragments_are_refused(bench: Bench, content: bytes, rule: str) -> None:
    assert bench.refusal(content).rule == rule


def test_offset_table_of_text_is_refused(bench: Bench) -> None:
    content = encapsulated(RLELossless, b"\1" * 70)
    at = content.rindex(b"\xe0\x7f\x10\0OB") + 12
    text = content[:at] + b"\xfe\xff\x00\xe0\x0e\0\0\0" + b"CANARY NORDMAN" + content[at + 8 :]
    assert bench.refusal(text).rule == "offset-table"


def test_copy_without_the_kernel_is_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(ct(Rows=3000, Columns=2000, PixelData=os.urandom(12_000_000)))
    by_kernel = bench.written(content)

    def refused(*_: object, **__: object) -> int:
        raise OSError(18, "cross-device")

    monkeypatch.setattr(os, "copy_file_range", refused)
    assert bench.written(content) == by_kernel


def test_headers_longer_than_the_first_read_are_walked(bench: Bench) -> None:
    for undefined in (True, False):
        data = ct()
        frames = []
        for number in range(1200):
            position = Dataset()
            position.ImagePositionPatient = [number, 0, 0]
            frame = Dataset()
            frame.PlanePositionSequence = Sequence([position])
            frames.append(frame)
        data.PerFrameFunctionalGroupsSequence = Sequence(frames)
        data["PerFrameFunctionalGroupsSequence"].is_undefined_length = undefined
        after = bench.read(encoded(data))
        positions = [
            frame.PlanePositionSequence[0].ImagePositionPatient[0] for frame in after.PerFrameFunctionalGroupsSequence
        ]
        assert positions == list(range(1200))
        assert after.PixelData == data.PixelData


def test_a_large_object_needs_little_memory(tmp_path: Path) -> None:
    """200 MB of (sparse) pixels in a fresh process whose peak grows by less than 20 MB."""
    content = encoded(ct(Rows=1024, Columns=1024, NumberOfFrames=LARGE // 1024**2 // 2))
    at = content.rindex(b"\xe0\x7f\x10\0OW")
    path = tmp_path / "large.dcm"
    with path.open("wb") as file:
        file.write(content[:at] + raw(0x7FE00010, b"OW", b"", LARGE))
        file.truncate(file.tell() + (LARGE))
    code = (
        "import os, sys; from pathlib import Path; from tests.unit.deidentification.builders import SUBJECT\n"
        "os.fsync = lambda _: None  # the disk's speed is not what is tested here\n"
        "from deidentification import BASIC, deidentify\n"
        # Not ru_maxrss, which a process inherits from whoever started it.
        "status = Path('/proc/self/status')\n"
        "peak = lambda: int(status.read_text().split('VmHWM:')[1].split()[0])\n"
        "before = peak()\n"
        "print(deidentify(Path(sys.argv[1]), Path(sys.argv[2]), SUBJECT, BASIC).size)\n"
        "print(peak() - before, peak())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "out")],
        check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    size, grown, peak = map(int, done.stdout.split())
    assert size > LARGE
    assert grown < 20_000
    assert peak < 300_000
