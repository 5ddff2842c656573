"""What a hostile reader found leaking: each case once, so that it stays closed."""

import struct

import pytest
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, JPEGBaseline8Bit

from tests.unit.deidentification.builders import Bench, ct, encoded, raw

CANARY = b"ZQCANARY"
ITEM, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
SOS = b"\xff\xda\x00\x08\1\1\0\0\x3f\0"
TABLE = b"\xff\xdb\x00\x43" + bytes(65)


def placed(tag: int, vr: bytes, value: bytes) -> bytes:
    """A CT with one more element, encoded by hand, in the place of its SliceThickness."""
    content = encoded(ct(SliceThickness="1.25"))
    before, after = content.split(raw(0x00180050, b"DS", b"1.25"))
    return before + raw(tag, vr, value) + after


def compressed(syntax: str, *fragments: bytes, table: bytes = b"") -> bytes:
    """A CT whose pixel data is an offset table and fragments."""
    data = ct()
    del data["PixelData"]
    content = encoded(data)
    old = raw(0x00020010, b"UI", ExplicitVRLittleEndian.encode() + b"\0")
    new = raw(0x00020010, b"UI", syntax.encode() + b"\0" * (len(syntax) % 2))
    size = struct.unpack("<L", content[140:144])[0] + len(new) - len(old)
    content = content[:140] + struct.pack("<L", size) + content[144:].replace(old, new)
    padded = [part + b"\0" * (len(part) % 2) for part in (table, *fragments)]
    items = b"".join(ITEM + struct.pack("<L", len(part)) + part for part in padded)
    return content + raw(0x7FE00010, b"OB", b"", 0xFFFFFFFF) + items + END


def comment(text: bytes = CANARY) -> bytes:
    """A JPEG comment."""
    return b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00185100, b"LO", CANARY + b", Mrs. Smith"),
        (0x00180083, b"UN", CANARY),
        (0x00181310, b"US", CANARY * 2),
        (0x00189087, b"FD", CANARY * 2),
        (0x00180050, b"AT", CANARY),
        (0x00181090, b"US", CANARY),
        (0x0018106A, b"SH", CANARY + b", Mrs. Smith"),
        (0x00181061, b"LO", CANARY * 40),
        (0x00280010, b"US", CANARY),
        (0x4FFE0001, b"SQ", ITEM + struct.pack("<L", 16) + raw(0x04000305, b"CS", CANARY)),
        (0x7FE00001, b"OV", CANARY * 2),
        (0x00080116, b"ST", CANARY),
    ],
)
def test_text_where_none_belongs_does_not_stay(bench: Bench, tag: int, vr: bytes, value: bytes) -> None:
    assert CANARY not in bench.written(placed(tag, vr, value))


@pytest.mark.parametrize("vr", [b"OB", b"OW"])
def test_pixels_in_an_item_go(bench: Bench, vr: bytes) -> None:
    thumbnail = raw(0x00081155, b"UI", b"1.2.3.4\0") + raw(0x7FE00010, vr, CANARY * 4)
    output = bench.written(placed(0x00081140, b"SQ", ITEM + struct.pack("<L", len(thumbnail)) + thumbnail))
    assert CANARY not in output
    assert raw(0x00081140, b"SQ", b"")[:6] in output


def test_jpeg_comments_between_scans_and_after_the_end_become_zeros(bench: Bench) -> None:
    frame = b"\xff\xd8" + TABLE + SOS + b"first\xff\x00scan" + comment() + SOS + b"second\xff\xd0scan\xff\xd9"
    output = bench.written(compressed(JPEGBaseline8Bit, frame + CANARY))
    assert CANARY not in output
    assert b"first\xff\x00scan" in output
    assert SOS + b"second\xff\xd0scan\xff\xd9" in output


def test_jpeg_frame_in_two_fragments_is_read_in_both(bench: Bench) -> None:
    first, second = b"\xff\xd8" + TABLE + SOS + b"first", b"rest" + comment() + SOS + b"more\xff\xd9"
    output = bench.written(compressed(JPEGBaseline8Bit, first, second))
    assert CANARY not in output
    assert b"rest\xff\xfe" in output
    assert SOS + b"more\xff\xd9" in output


def test_after_the_end_of_jpeg_2000_comes_nothing(bench: Bench) -> None:
    stream = b"\xff\x4f\xff\x51\0\4\0\0\xff\x90\0\x0a\0\0\0\0\0\0\0\1\xff\x93packets\xff\xd9"
    output = bench.written(compressed(JPEG2000, stream + CANARY))
    assert CANARY not in output
    assert stream in output


def test_boxes_in_the_header_box_of_jpeg_2000_become_zeros(bench: Bench) -> None:
    inner = struct.pack(">L", 8 + len(CANARY)) + b"uuid" + CANARY
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + struct.pack(">L", 8 + len(inner)) + b"jp2h" + inner
    assert CANARY not in bench.written(compressed(JPEG2000, boxes))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (compressed(JPEGBaseline8Bit, b"\xff\xd8" + TABLE + SOS + b"\xff\xd9", CANARY), "compressed-header"),
        (compressed(JPEGBaseline8Bit, CANARY + b"\xff\xd8" + SOS), "compressed-header"),
        (compressed(JPEG2000, b"\xff\xd8" + comment() + SOS + b"\xff\xd9"), "compressed-header"),
        (compressed(JPEGBaseline8Bit, b"\xff\xd8" + SOS + b"\xff\xd9", table=CANARY), "offset-table"),
    ],
)
def test_what_is_no_pixel_is_refused(bench: Bench, content: bytes, rule: str) -> None:
    refusal = bench.refusal(content)
    assert refusal.rule == rule
    assert refusal.where == "(7FE0,0010)"


@pytest.mark.parametrize(
    ("name", "elsewhere"),
    [
        ("Zqmüller^Änna".encode("latin-1"), "Zqmüller".encode()),
        ("Zqmüller^Änna".encode("latin-1"), "ZQMÜLLER".encode("latin-1")),
        ("Zqmüller^Änna".encode("latin-1"), b"ZQMUELLER"),
        ("Zqmüller^Änna".encode("latin-1"), b"Zqmuller"),
        (b"Zqhuberin^Anna", "zqhuberin".encode("utf-16-le")),
        (b"Zqhuberin^Anna", "Zqhuberin".encode("utf-16-be")),
        (b"Zqhuberin^Anna", b"ANNAZQHUBERIN"),
        ("王^小东".encode(), "病人王小东".encode()),
    ],
)
def test_the_name_in_another_form_does_not_leave(bench: Bench, name: bytes, elsewhere: bytes) -> None:
    content = placed(0x00181061, b"LO", elsewhere + b" " * (len(elsewhere) % 2))
    old = raw(0x00100010, b"PN", b"Nordmann^Kari ")
    assert old in content
    content = content.replace(old, raw(0x00100010, b"PN", name + b" " * (len(name) % 2)))
    assert bench.refusal(content).rule == "gate-name"


@pytest.mark.parametrize("text", [b"03021970", b"02031970", b"03-FEB-1970 ", b"born 3 03 Feb 1970"])
def test_the_birth_date_in_another_format_does_not_leave(bench: Bench, text: bytes) -> None:
    assert bench.refusal(placed(0x00181061, b"LO", text)).rule == "gate-date"


def test_a_time_that_is_none_does_not_stay(bench: Bench) -> None:
    assert b"700203" not in bench.written(placed(0x00080032, b"TM", b"700203"))
