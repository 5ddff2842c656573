"""What stands beside, behind and inside pixel data: gone, zeros, or the object stays."""

import struct

import pytest
from pydicom.uid import (
    MPEG4HP41,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.unit.deidentification.builders import Bench, before_pixels, ct, encoded, raw
from tests.unit.deidentification.hostile import SECRET, SEQUENCE_END, item, sequence, verdict
from tests.unit.deidentification.test_deidentify_found import compressed

SIX = range(0x6000, 0x6020, 2)
FIFTY = range(0x5000, 0x5020, 2)


@pytest.mark.parametrize("group", SIX)
def test_overlays_go(bench: Bench, group: int) -> None:
    plane = (
        raw(group << 16 | 0x0010, b"US", b"\4\0")
        + raw(group << 16 | 0x0011, b"US", b"\4\0")
        + raw(group << 16 | 0x0022, b"LO", SECRET)
        + raw(group << 16 | 0x0040, b"CS", b"G ")
        + raw(group << 16 | 0x0045, b"LO", SECRET)
        + raw(group << 16 | 0x0100, b"US", b"\1\0")
        + raw(group << 16 | 0x1500, b"LO", SECRET)
        + raw(group << 16 | 0x3000, b"OW", SECRET)
        + raw(group << 16 | 0x4000, b"LT", SECRET)
    )
    assert verdict(bench, before_pixels(encoded(ct()), plane), SECRET)
    assert verdict(bench, before_pixels(encoded(ct()), sequence(0x00081140, plane)), SECRET)


@pytest.mark.parametrize("group", FIFTY)
def test_curves_and_sounds_go(bench: Bench, group: int) -> None:
    curve = b"".join(
        raw(group << 16 | number, vr, SECRET)
        for number, vr in ((0x0022, b"LO"), (0x0030, b"SH"), (0x200C, b"OW"), (0x2500, b"LO"), (0x3000, b"OB"))
    )
    assert verdict(bench, before_pixels(encoded(ct()), curve), SECRET)


@pytest.mark.parametrize("place", [0x00880200, 0x00880904, 0x00091101, 0x00081140, 0x00082112, 0x52009230, 0x30020010])
def test_thumbnails_go(bench: Bench, place: int) -> None:
    icon = raw(0x00280010, b"US", b"\4\0") + raw(0x00280011, b"US", b"\4\0") + raw(0x7FE00010, b"OB", SECRET * 2)
    for more in (sequence(place, icon), sequence(place, sequence(0x00880200, icon))):
        assert verdict(bench, before_pixels(encoded(ct()), more), SECRET)


def jpeg_segment(marker: int, content: bytes) -> bytes:
    """One marker segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


SOI, EOI = b"\xff\xd8", b"\xff\xd9"
FRAME = jpeg_segment(0xC0, b"\x08\0\4\0\4\1\1\x11\0")
TABLE = jpeg_segment(0xDB, bytes(65))
SCAN = jpeg_segment(0xDA, b"\1\1\0\0\x3f\0") + b"scan data stays"
EXIF = b"Exif\0\0II*\0" + SECRET
HIDDEN = {
    "comment": jpeg_segment(0xFE, SECRET),
    "empty and full comments": jpeg_segment(0xFE, b"") + jpeg_segment(0xFE, SECRET),
    "EXIF": jpeg_segment(0xE1, EXIF),
    "XMP": jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>" + SECRET + b"</x>"),
    "Photoshop": jpeg_segment(0xED, b"Photoshop 3.0\x008BIM" + SECRET),
    "colour profile": jpeg_segment(0xE2, b"ICC_PROFILE\0\1\1" + SECRET),
    "JFIF extension": jpeg_segment(0xE0, b"JFXX\0\x10" + SECRET),
    "JFIF with a thumbnail": jpeg_segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\2\2" + SECRET),
    "Adobe with more": jpeg_segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + SECRET),
    "the last application": jpeg_segment(0xEF, SECRET),
    "fill bytes": b"\xff\xff\xff" + jpeg_segment(0xFE, SECRET)[1:],
}


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLosslessSV1])
@pytest.mark.parametrize("place", HIDDEN)
def test_text_in_jpeg_frames(bench: Bench, place: str, syntax: str) -> None:
    hidden = HIDDEN[place]
    frames = {
        "in front": SOI + hidden + TABLE + FRAME + SCAN + EOI,
        "before the scan": SOI + TABLE + FRAME + hidden + SCAN + EOI,
        "between scans": SOI + TABLE + FRAME + SCAN + hidden + SCAN + EOI,
        "after the end": SOI + TABLE + FRAME + SCAN + EOI + hidden,
    }
    for frame in frames.values():
        output = verdict(bench, compressed(syntax, frame, frame), SECRET)
        assert output is None or output.count(SCAN) in (2, 4)


@pytest.mark.parametrize("place", ["comment", "EXIF", "the last application"])
def test_text_in_jpeg_ls_frames(bench: Bench, place: str) -> None:
    frame = SOI + HIDDEN[place] + jpeg_segment(0xF7, b"\x08\0\4\0\4\1\1\x11\0") + HIDDEN[place] + SCAN + EOI
    verdict(bench, compressed(JPEGLSLossless, frame), SECRET)


def box(kind: bytes, content: bytes) -> bytes:
    """One box of a JP2 file."""
    return struct.pack(">L", 8 + len(content)) + kind + content


CODESTREAM = b"\xff\x4f" + jpeg_segment(0x51, bytes(40))
TILE = b"\xff\x90\0\x0a\0\0\0\0\0\0\0\1\xff\x93packets\xff\xd9"
JP2 = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")


@pytest.mark.parametrize(
    "stream",
    [
        CODESTREAM + jpeg_segment(0x64, b"\0\1" + SECRET) + TILE,
        CODESTREAM + jpeg_segment(0x64, b"\0\0" + SECRET) + TILE,
        CODESTREAM + TILE + SECRET,
        JP2 + box(b"xml ", SECRET) + box(b"jp2c", CODESTREAM + TILE),
        JP2 + box(b"uuid", bytes(16) + SECRET) + box(b"jp2c", CODESTREAM + TILE),
        JP2 + box(b"jp2h", box(b"ihdr", bytes(14)) + box(b"uinf", box(b"url ", SECRET))) + box(b"jp2c", CODESTREAM),
        JP2 + box(b"jp2c", CODESTREAM + TILE) + box(b"jp2i", SECRET),
        JP2 + box(b"jp2c", CODESTREAM + TILE + SECRET),
        box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0" + SECRET) + box(b"jp2c", CODESTREAM + TILE),
    ],
)  # fmt: skip
def test_text_in_jpeg_2000_frames(bench: Bench, stream: bytes) -> None:
    verdict(bench, compressed(JPEG2000Lossless, stream), SECRET)


def rle(*segments: bytes, behind: bytes = b"") -> bytes:
    """One RLE frame, with anything behind its last segment."""
    offsets, at = [], 64
    for segment in segments:
        offsets.append(at)
        at += len(segment)
    return struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments) + behind


def test_text_around_rle_segments(bench: Bench) -> None:
    """Four by four pixels of 16 bits: two segments of one run of sixteen."""
    run = b"\xf1\7"
    name = ct(PatientName="Zqkanari^Anna")
    assert name.Rows == 4
    unused = bytearray(rle(run, run))
    unused[12:64] = SECRET.ljust(52, b"\0")
    for frame in (rle(run, run, behind=SECRET), bytes(unused), rle(run + b"\x80" + SECRET, run)):
        verdict(bench, compressed(RLELossless, frame), SECRET)


def test_text_in_a_video(bench: Bench) -> None:
    """User data of H.264 (SEI) and its container's metadata: nobody reads them, so nothing of it may pass."""
    unit = b"\0\0\0\1\x06\x05" + bytes((16 + len(SECRET),)) + bytes(16) + SECRET + b"\x80"
    atoms = box(b"ftyp", b"mp42\0\0\0\0mp42") + box(b"moov", box(b"udta", box(b"\xa9nam", SECRET)))
    for stream in (b"\0\0\0\1\x67\x64\0\x28" + unit + b"\0\0\0\1\x65data", atoms + box(b"mdat", b"data")):
        verdict(bench, compressed(MPEG4HP41, stream), SECRET)


def test_text_behind_the_last_pixel(bench: Bench) -> None:
    for size in (8, 32, 4096):
        longer = ct(PixelData=bytes(32) + (SECRET * 512)[:size])
        verdict(bench, encoded(longer), SECRET)


def test_text_between_frames_and_in_tables(bench: Bench) -> None:
    frame = SOI + TABLE + FRAME + SCAN + EOI
    verdict(bench, compressed(JPEGBaseline8Bit, frame, SECRET, frame), SECRET)
    verdict(bench, compressed(JPEGBaseline8Bit, frame, table=SECRET), SECRET)
    verdict(bench, compressed(JPEGBaseline8Bit, frame) + SECRET, SECRET)
    whole = compressed(JPEGBaseline8Bit, frame)
    assert whole.endswith(SEQUENCE_END)
    verdict(bench, whole[: -len(SEQUENCE_END)] + SEQUENCE_END[:4] + SECRET[:4] + SECRET, SECRET[:4])
    verdict(bench, whole[: -len(SEQUENCE_END)] + item(SECRET) + SEQUENCE_END, SECRET)


@pytest.mark.parametrize("kind", ["LABEL", "label", " LABEL ", "OVERVIEW", "THUMBNAIL"])
def test_a_slides_label_stays(bench: Bench, kind: str) -> None:
    slide = encoded(
        ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6", ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    )
    text = f"ORIGINAL\\PRIMARY\\{kind}\\NONE".encode()
    text += b" " * (len(text) % 2)
    old = raw(0x00080008, b"CS", b"ORIGINAL\\PRIMARY\\VOLUME\\NONE")
    assert old in slide
    output = verdict(bench, slide.replace(old, raw(0x00080008, b"CS", text)))
    assert output is None or kind == "THUMBNAIL"


@pytest.mark.parametrize(
    "marks",
    [
        {"BurnedInAnnotation": "YES"},
        {"SpecimenLabelInImage": "YES"},
        {"RecognizableVisualFeatures": "YES"},
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
        {"ImageType": ["DERIVED", "SECONDARY", "OTHER", "SCREENSHOT"]},
        {"ImageType": ["DERIVED", "PRIMARY", "DOSE_INFO"]},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "BurnedInAnnotation": "NO"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1"},
        {"Modality": "US"},
        {"Modality": "OT", "ConversionType": "SD"},
        {"SeriesDescription": "Dose Report"},
        {"SeriesDescription": "Patient Protocol"},
    ],
)
def test_pictures_that_may_carry_text_stay_while_nothing_reads_them(bench: Bench, marks: dict[str, object]) -> None:
    assert verdict(bench, encoded(ct(**marks))) is None
