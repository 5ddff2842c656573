"""Files that no engine can de-identify, and a child process that tries: its answer, its time and its memory."""

import json
import random
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from deidentification import CannotDeidentify, deidentify
from deidentification.errors import LeftOut
from deidentification.profiles import BUILT_IN, Profile
from tests.unit.deidentification.builders import SUBJECT, before_pixels, ct, encoded, raw
from tests.unit.deidentification.hostile import UNDEFINED, item
from tests.unit.deidentification.study import encoded as of_study
from tests.unit.deidentification.test_deidentify_found import compressed

ROOT: Final = Path(__file__).parents[3]
LONG: Final = 0x7FFFFFFE


class Tried(NamedTuple):
    """What became of one file: the rule of its refusal ("" when written), seconds, and the peak after it in MiB."""

    name: str
    rule: str
    seconds: float
    peak: float


def truncated(content: bytes, step: int) -> Iterator[bytes]:
    """The file cut at every `step`-th byte."""
    for size in range(0, len(content), step):
        yield content[:size]


def random_bytes(count: int) -> Iterator[bytes]:
    """Noise, some of it behind a preamble or a whole File Meta."""
    head = encoded(ct())
    for number in range(count):
        noise = random.Random(number).randbytes(200 + number * 37 % 3000)
        yield (noise, head[:132] + noise, head[:300] + noise)[number % 3]


def lying(content: bytes, lengths: tuple[int, ...]) -> Iterator[bytes]:
    """Every short-form element's length replaced by each of `lengths`."""
    at = 144 + struct.unpack("<L", content[140:144])[0]
    while at + 8 < len(content):
        vr, length = content[at + 4 : at + 6], struct.unpack("<H", content[at + 6 : at + 8])[0]
        if vr in (b"SQ", b"OB", b"OW", b"UN", b"UT"):
            length = struct.unpack("<L", content[at + 8 : at + 12])[0]
            for wrong in lengths:
                yield content[: at + 8] + struct.pack("<L", wrong) + content[at + 12 :]
            at += 12 + (0 if vr == b"SQ" else length)
        elif content[at : at + 4] in (b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"):
            at += 8
        else:
            for wrong in lengths:
                yield content[: at + 6] + struct.pack("<H", wrong & 0xFFFF) + content[at + 8 :]
            at += 8 + length


@cache
def deflate_bomb(megabytes: int) -> bytes:
    """A small deflated file that inflates to `megabytes`."""
    content = encoded(ct(), DeflatedExplicitVRLittleEndian)
    start = 144 + struct.unpack("<L", content[140:144])[0]
    stream = zlib.compressobj(9, wbits=-15)
    stream.compress(bytes(16 << 20))
    stream.flush(zlib.Z_FULL_FLUSH)
    block = stream.compress(bytes(16 << 20)) + stream.flush(zlib.Z_FULL_FLUSH)
    head = zlib.compressobj(9, wbits=-15)
    first = head.compress(raw(0x00080008, b"CS", b"ORIGINAL")) + head.flush(zlib.Z_FULL_FLUSH)
    return content[:start] + first + block * (megabytes // 16)


def huge(content: bytes) -> bytes:
    """The file with Rows and Columns of 65535 and many frames."""
    for tag in (0x00280010, 0x00280011):
        content = content.replace(raw(tag, b"US", b"\4\0"), raw(tag, b"US", b"\xff\xff"))
    return content


def jpeg_of(rows: int, columns: int) -> bytes:
    """A JPEG header that promises a large picture."""
    size = struct.pack(">HH", rows, columns)
    frame = b"\xff\xc0\x00\x0b\x08" + size + b"\1\1\x11\0"
    return b"\xff\xd8\xff\xdb\x00\x43" + bytes(65) + frame + b"\xff\xda\x00\x08\1\1\0\0\x3f\0" + bytes(64) + b"\xff\xd9"


def bombs() -> dict[str, bytes]:
    """Small files that ask for very much."""
    levels = raw(0x00081140, b"SQ", b"", UNDEFINED) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    frames = before_pixels(encoded(ct()), raw(0x00280008, b"IS", b"2147483647")[:8] + b"2147483647")
    return {
        "2 GB of text": before_pixels(encoded(ct()), raw(0x00204000, b"UT", b"ABCD", LONG)),
        "4 GB of bytes": before_pixels(encoded(ct()), raw(0x00204000, b"UN", b"ABCD", 0xFFFFFFFE)),
        "2 GB of pixels": encoded(ct())[:-36] + struct.pack("<L", LONG) + bytes(32),
        "2 GB of a fragment": compressed(RLELossless, b"1234").replace(b"\4\0\0\x001234", b"\xfe\xff\xff\x7f1234"),
        "2 GB of File Meta": encoded(ct())[:144] + raw(0x00020102, b"OB", b"ABCD", LONG) + encoded(ct())[144:],
        "many open levels": before_pixels(encoded(ct()), levels * 50_000),
        "many items": before_pixels(encoded(ct()), raw(0x00081140, b"SQ", item(b"") * 300_000)),
        "many elements": before_pixels(encoded(ct()), raw(0x00104000, b"LT", b"") * 300_000),
        "a text of 30 MB": before_pixels(encoded(ct()), raw(0x0040A160, b"UT", b"Nordmann " * 3_400_000)),
        "a UID of 30 MB": before_pixels(encoded(ct()), raw(0x00081155, b"UN", b"1.2\\" * 7_500_000)),
        "deflated 1 GB": deflate_bomb(1280),
        "RLE of 65535 x 65535": huge(sample()["rle"]),
        "JPEG of 65535 x 65535": huge(compressed(JPEGBaseline8Bit, jpeg_of(65535, 65535))),
        "JPEG that is larger than it says": compressed(JPEGBaseline8Bit, jpeg_of(65535, 65535)),
        "native of 65535 x 65535": huge(encoded(ct())),
        "two thousand million frames": frames,
    }


def profiles() -> dict[str, Profile]:
    """As the built-in one, and one that decodes every picture."""
    from deidentification.profiles.model import Pixels
    from deidentification.standard.tables import Option

    basic = BUILT_IN["basic"]
    changed = {"options": basic.options | {Option.PIXELS}, "pixels": Pixels(images="all")}
    return {"basic": basic, "reading": basic.model_copy(update=changed)}


def try_all(folder: Path, profile: str) -> list[Tried]:
    """Every file of the folder through the engine in a child process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.deidentification.bad_inputs", str(folder), profile],
        capture_output=True, text=True, cwd=ROOT, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [Tried(*json.loads(line)) for line in done.stdout.splitlines()]


def peak() -> float:
    """The most memory this process has used, in MiB."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """The child: one line of JSON per file."""
    folder, profile = Path(sys.argv[1]), profiles()[sys.argv[2]]
    for path in sorted(folder.iterdir()):
        began, rule = time.monotonic(), ""
        try:
            deidentify(path, folder.with_name("out"), SUBJECT, profile)
        except (CannotDeidentify, LeftOut) as refusal:
            rule = refusal.rule
        print(json.dumps([path.name, rule, time.monotonic() - began, peak()]), flush=True)


def sample() -> dict[str, bytes]:
    """Sound files of several encodings to cut and to garble."""
    return {
        "ct": of_study("ct1"),
        "sr": of_study("sr"),
        "deflated": encoded(ct(), DeflatedExplicitVRLittleEndian),
        "rle": compressed(RLELossless, struct.pack("<16L", 2, 64, 66, *[0] * 13) + b"\xf1\7\xf1\7"),
    }


if __name__ == "__main__":
    main()
