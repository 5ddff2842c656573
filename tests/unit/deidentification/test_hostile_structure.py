"""Structure made to hide things: clean or refused, never passed on and never a crash."""

import struct
import zlib
from io import BytesIO

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from deidentification.dataset.encoding import EXPLICIT_BE
from tests.unit.deidentification.builders import Bench, before_pixels, ct, encoded, implicit, raw, split
from tests.unit.deidentification.hostile import (
    ITEM_END,
    SECRET,
    SEQUENCE_END,
    UNDEFINED,
    item,
    open_sequence,
    sequence,
    verdict,
)

PERSON = raw(0x00100010, b"PN", SECRET)
IMAGES, FRAMES, PRIVATE = 0x00081140, 0x52009230, 0x00091001
CREATOR = raw(0x00090010, b"LO", b"MAKER ")


def deep(depth: int, *kinds: str) -> bytes:
    """A name at the bottom of `depth` sequences, the kinds taken in turn."""
    core = PERSON
    for level in range(depth):
        kind = kinds[level % len(kinds)]
        if kind == "open":
            core = open_sequence(IMAGES, core)
        elif kind == "closed":
            core = sequence(IMAGES, core)
        elif kind == "private":
            core = CREATOR + open_sequence(PRIVATE, core)
        else:
            core = (
                open_sequence(IMAGES, core) if level else open_sequence(IMAGES, implicit(0x00100010, SECRET), vr=b"UN")
            )
    return core


@pytest.mark.parametrize("depth", [60, 127, 128, 129, 250, 1000])
@pytest.mark.parametrize("kinds", [("open",), ("closed",), ("open", "closed"), ("closed", "private"), ("un", "open")])
def test_a_name_at_any_depth(bench: Bench, depth: int, kinds: tuple[str, ...]) -> None:
    output = verdict(bench, before_pixels(encoded(ct()), deep(depth, *kinds)), SECRET)
    assert depth > 128 or output is not None


@pytest.mark.parametrize("opening", [raw(PRIVATE, b"SQ", b"", UNDEFINED), raw(PRIVATE, b"UN", b"", UNDEFINED)])
def test_many_levels_that_are_never_closed(bench: Bench, opening: bytes) -> None:
    level = opening + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    assert verdict(bench, before_pixels(encoded(ct()), level * 20_000 + PERSON), SECRET) is None
    images = raw(IMAGES, b"SQ", b"", UNDEFINED) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    assert verdict(bench, before_pixels(encoded(ct()), images * 20_000 + PERSON), SECRET) is None


HIDING = {
    "private in public in private in public": sequence(
        IMAGES, CREATOR + sequence(PRIVATE, sequence(IMAGES, CREATOR + raw(0x00091002, b"LO", SECRET) + PERSON))
    ),
    "private in a frame": sequence(FRAMES, CREATOR + raw(PRIVATE, b"LO", SECRET) + sequence(0x00209111, PERSON)),
    "private after private of undefined length": (
        CREATOR + open_sequence(PRIVATE, PERSON) + raw(0x00091002, b"LO", SECRET)
    ),
    "explicit items in a UN of undefined length": open_sequence(IMAGES, PERSON, vr=b"UN"),
    "explicit items in a private UN of undefined length": CREATOR + open_sequence(PRIVATE, PERSON, vr=b"UN"),
    "UN in UN": raw(IMAGES, b"UN", item(implicit(IMAGES, item(implicit(0x00100010, SECRET))))),
    "a text attribute as UN": raw(0x00080104, b"UN", SECRET),
    "a number as UN": raw(0x00180050, b"UN", SECRET),
    "an unknown number as UN": raw(0x00181234, b"UN", SECRET),
    "a sequence that is a string": raw(FRAMES, b"UT", SECRET),
    "a string in the place of items": raw(IMAGES, b"SQ", SECRET),
    "trailing padding in an item": sequence(IMAGES, raw(0xFFFCFFFC, b"OB", SECRET)),
    "a signature in an item": sequence(IMAGES, raw(0xFFFAFFFA, b"SQ", item(raw(0x04000120, b"OB", SECRET)))),
    "File Meta in the dataset": raw(0x00020016, b"AE", SECRET),
    "File Meta in an item": sequence(IMAGES, raw(0x00020013, b"SH", SECRET)),
    "a command in the dataset": raw(0x00001000, b"UI", SECRET),
    "a directory in an item": sequence(IMAGES, raw(0x00041130, b"CS", SECRET)),
    "a text length of group": raw(0x00280000, b"UL", SECRET),
    "group length in an item": sequence(IMAGES, raw(0x00080000, b"UL", SECRET)),
    "text in the length of a delimiter": raw(
        IMAGES, b"SQ",
        item(b"", UNDEFINED)[:8] + b"\xfe\xff\x0d\xe0" + SECRET[:4] + b"\xfe\xff\xdd\xe0" + SECRET[4:], UNDEFINED,
    ),
    "odd length": raw(0x00104000, b"LT", SECRET + b"!") + raw(0x00180015, b"CS", b"CHEST "),
    "text behind a number": raw(0x00180050, b"DS", b"1.25\0" + SECRET + b" "),
    "text before a number": raw(0x00180050, b"DS", b"\0\0" + SECRET + b"1.25"),
    "text between numbers": raw(0x00200037, b"DS", b"1\\0\\0\\0\\" + SECRET + b"\\0 "),
    "text behind a code": raw(0x00180015, b"CS", b"CHEST\0" + SECRET),
    "text behind a UID": raw(0x00081155, b"UI", b"1.2.3\0" + SECRET),
    "text behind a UID of a class": raw(0x00081150, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0" + SECRET + b"\0"),
    "text behind a time": raw(0x00080032, b"TM", b"101010\0" + SECRET),
    "text behind a date": raw(0x00080022, b"DA", b"20240311" + SECRET),
    "text behind a date and time": raw(0x0008002A, b"DT", b"20240311101010\0" + SECRET + b" "),
    "text behind an age": raw(0x00101010, b"AS", b"053Y" + SECRET),
    "a second copy in another VR": raw(0x00100010, b"UT", SECRET) + raw(0x00100010, b"LO", SECRET),
    "a name among the numbers of a group": raw(0x00281101, b"US", SECRET),
    "a name as tags": raw(0x00209165, b"AT", SECRET),
    "two names of private creators": CREATOR + raw(0x00090010, b"LO", SECRET) + raw(0x00091001, b"LO", SECRET),
}  # fmt: skip


@pytest.mark.parametrize("place", HIDING)
def test_nothing_hides(bench: Bench, place: str) -> None:
    output = verdict(bench, before_pixels(encoded(ct()), HIDING[place]), SECRET)
    if output is not None:
        assert pydicom.dcmread(BytesIO(output)).PixelData == ct().PixelData


@pytest.mark.parametrize("place", HIDING)
def test_nothing_hides_in_a_frame(bench: Bench, place: str) -> None:
    verdict(bench, before_pixels(encoded(ct()), sequence(FRAMES, sequence(0x00209111, HIDING[place]))), SECRET)


@pytest.mark.parametrize(
    "element",
    [
        raw(0x00189073, b"FD", SECRET),
        raw(0x00700022, b"FL", SECRET),
        raw(0x00281101, b"US", SECRET[:6]),
        raw(0x00283006, b"OW", SECRET),
        raw(0x00282000, b"OB", b"desc\0\0\0\x08" + SECRET),
        raw(0x00281221, b"OW", SECRET),
        raw(0x00660016, b"OF", SECRET),
        raw(0x7FE00001, b"OV", SECRET),
    ],
)
def test_numbers_that_spell_the_name(bench: Bench, element: bytes) -> None:
    """No rule can tell them from numbers: the gate knows the name."""
    content = encoded(ct(PatientName="Zqkanari^Zqkana"))
    verdict(bench, before_pixels(content, element), SECRET[:6])
    verdict(bench, before_pixels(content, sequence(0x00283010, element)), SECRET[:6])


def swapped(tag: int, vr: bytes, value: bytes) -> bytes:
    """An element in explicit VR big endian."""
    head = struct.pack(">HH2s", tag >> 16, tag & 0xFFFF, vr)
    return (
        head + (struct.pack(">HL", 0, len(value)) if vr in EXPLICIT_BE_LONG else struct.pack(">H", len(value))) + value
    )


EXPLICIT_BE_LONG = (b"SQ", b"UN", b"UT", b"OB", b"OW")


@pytest.mark.parametrize(
    "more",
    [
        swapped(0x00204000, b"LT", SECRET),
        swapped(0x00281101, b"US", SECRET),
        swapped(0x00180050, b"DS", SECRET),
        swapped(0x00091001, b"UN", SECRET),
        swapped(0x00081140, b"UN", SECRET),
        swapped(0x00081140, b"SQ", struct.pack(">HHL", 0xFFFE, 0xE000, 16) + swapped(0x00100010, b"PN", SECRET)),
        swapped(0x60003000, b"OW", SECRET),
    ],
)
def test_nothing_hides_in_big_endian(bench: Bench, more: bytes) -> None:
    assert not EXPLICIT_BE.little
    content = encoded(ct(), ExplicitVRBigEndian)
    at = content.rindex(b"\x7f\xe0\x00\x10OW")
    verdict(bench, content[:at] + more + content[at:], SECRET)


@pytest.mark.parametrize(
    "more",
    [
        implicit(0x00204000, SECRET),
        implicit(0x00181234, SECRET),
        implicit(0x00091001, SECRET),
        implicit(0x00180050, SECRET),
        implicit(0x00281101, SECRET),
        implicit(0x00081140, item(implicit(0x00100010, SECRET))),
        implicit(0x00081140, item(implicit(0x00100010, SECRET), UNDEFINED) + SEQUENCE_END, UNDEFINED),
        # Its length reads as the VR LO.
        implicit(0x00204000, SECRET.ljust(0x4F4C), 0x4F4C),
    ],
)
def test_nothing_hides_in_implicit_vr(bench: Bench, more: bytes) -> None:
    content = encoded(ct(), ImplicitVRLittleEndian)
    at = content.rindex(b"\xe0\x7f\x10\x00")
    verdict(bench, content[:at] + more + content[at:], SECRET)


def with_meta(more: bytes, declared: int | None = None) -> bytes:
    """A file with more elements in its File Meta, and any group length one likes."""
    content = encoded(ct())
    length = struct.unpack("<L", content[140:144])[0]
    wanted = length + len(more) if declared is None else declared
    return content[:140] + struct.pack("<L", wanted) + content[144 : 144 + length] + more + content[144 + length :]


@pytest.mark.parametrize("declared", [None, 0, 4, 0xFFFFFFFF, 0x7FFFFFFE])
@pytest.mark.parametrize(
    "more",
    [
        raw(0x00020013, b"SH", SECRET),
        raw(0x00020016, b"AE", SECRET) + raw(0x00020017, b"AE", SECRET) + raw(0x00020018, b"AE", SECRET),
        raw(0x00020026, b"UR", SECRET) + raw(0x00020035, b"OB", SECRET),
        raw(0x00020100, b"UI", SECRET) + raw(0x00020102, b"OB", SECRET),
        raw(0x00020003, b"UI", SECRET) + raw(0x000200FF, b"LO", SECRET),
        raw(0x00020012, b"UI", SECRET) + raw(0x00021234, b"UN", SECRET),
    ],
)
def test_file_meta_is_written_anew(bench: Bench, more: bytes, declared: int | None) -> None:
    verdict(bench, with_meta(more, declared), SECRET)


@pytest.mark.parametrize("preamble", [b"II*\0" + SECRET, b"DICM" + SECRET, SECRET * 16, b"MZ" + SECRET])
def test_the_preamble_is_zeros(bench: Bench, preamble: bytes) -> None:
    output = verdict(bench, preamble[:128].ljust(128, b"\1") + encoded(ct())[128:], SECRET)
    assert output is not None
    assert output[:128] == bytes(128)


def test_elements_after_the_pixels_do_not_follow(bench: Bench) -> None:
    tails = (
        raw(0x7FE10010, b"LO", SECRET),
        raw(0xFFFAFFFA, b"SQ", item(raw(0x04000120, b"OB", SECRET))),
        raw(0xFFFCFFFC, b"OB", SECRET * 100) + b"\0\0",
        raw(0x7FE00010, b"OW", SECRET),
        raw(0x60003000, b"OW", SECRET),
        SECRET,
        ITEM_END + SECRET,
        b"\0" * 512 + SECRET,
    )
    for tail in tails:
        verdict(bench, encoded(ct()) + tail, SECRET)


def test_text_before_the_pixels(bench: Bench) -> None:
    head, tail = split(encoded(ct()))
    for tag, vr in ((0x7FE00001, b"OV"), (0x7FE00002, b"OV"), (0x7FE00003, b"OV")):
        verdict(bench, head + raw(tag, vr, SECRET * 2) + tail, SECRET)


def test_pixels_that_come_too_early(bench: Bench) -> None:
    head, tail = split(encoded(ct()))
    start = 144 + struct.unpack("<L", head[140:144])[0]
    verdict(bench, head[:start] + tail + head[start:] + PERSON, SECRET, b"Nordmann")


def redeflated(dataset: bytes, after: bytes = b"") -> bytes:
    """A file of the deflated transfer syntax."""
    content = encoded(ct(), DeflatedExplicitVRLittleEndian)
    start = 144 + struct.unpack("<L", content[140:144])[0]
    stream = zlib.compressobj(wbits=-15)
    return content[:start] + stream.compress(dataset) + stream.flush() + after


def plain() -> bytes:
    """The dataset of a CT without its File Meta."""
    content = encoded(ct())
    return content[144 + struct.unpack("<L", content[140:144])[0] :]


@pytest.mark.parametrize(
    "content",
    [
        redeflated(plain() + SECRET),
        redeflated(plain() + raw(0xFFFCFFFC, b"OB", SECRET)),
        redeflated(plain(), SECRET),
        redeflated(plain(), redeflated(PERSON)[-60:]),
        redeflated(plain(), b"\0" * 1000 + SECRET),
        redeflated(PERSON + plain()),
        redeflated(plain().replace(b"Nordmann^Kari", b"ZQKANARI^Kari")),
    ],
)
def test_nothing_hides_around_a_deflated_stream(bench: Bench, content: bytes) -> None:
    verdict(bench, content, SECRET, b"Nordmann")


def test_bytes_that_nobody_reads_are_not_kept(bench: Bench) -> None:
    """The two reserved bytes of a long VR, which a chain of elements could spell a name with."""
    loud = raw(0x00281201, b"OW", b"\1\2\3\4").replace(b"OW\0\0", b"OWZQ")
    output = verdict(bench, before_pixels(encoded(ct(PhotometricInterpretation="PALETTE COLOR")), loud))
    assert output is None or b"OWZQ" not in output
    head, tail = split(encoded(ct()))
    output = verdict(bench, head + tail.replace(b"OW\0\0", b"OWZQ"))
    assert output is None or b"OWZQ" not in output
