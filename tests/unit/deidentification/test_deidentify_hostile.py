"""Objects made to leak or to crash: handled or refused, never passed on."""

import resource
import struct
import time
import zlib
from io import BytesIO

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from deidentification import BASIC, CannotDeidentify, Option, Profile
from deidentification.profiles.compiled import compiled
from deidentification.profiles.rules import Act
from deidentification.standard.dictionary import DICTIONARY
from deidentification.standard.reviewed import OVERLAY_BITS_ALLOCATED
from tests.unit.deidentification.builders import SUBJECT, Bench, before_pixels, ct, encoded, implicit, raw

CANARY = b"CANARYNORDMANN "
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"


def item(content: bytes, length: int | None = None) -> bytes:
    """A sequence item, of undefined length when told."""
    size = len(content) if length is None else length
    return ITEM + struct.pack("<L", size) + content + (ITEM_END if length == UNDEFINED else b"")


def sequence(tag: int, content: bytes) -> bytes:
    """A sequence of one item, both of defined length."""
    return raw(tag, b"SQ", item(content))


HIDING_PLACES = {
    "content label": raw(0x00700080, b"CS", b"CANARYNORDMANN  "),
    "content description": raw(0x00700081, b"LO", CANARY),
    "graphic layer description": raw(0x00700068, b"LO", CANARY),
    "document title": raw(0x00420010, b"ST", CANARY),
    "text value": raw(0x0040A160, b"UT", CANARY),
    "overlay label": raw(0x60001500, b"LO", CANARY),
    "overlay description": raw(0x60000022, b"LO", CANARY),
    "overlay comments": raw(0x60024000, b"LT", CANARY),
    "overlay data": raw(0x60003000, b"OW", CANARY),
    "curve data": raw(0x50003000, b"OB", CANARY),
    "curve label": raw(0x50042500, b"LO", CANARY),
    "encrypted attributes": raw(0x04000500, b"SQ", item(raw(0x04000520, b"OB", CANARY))),
    "original attributes": sequence(0x04000561, sequence(0x04000550, raw(0x00100010, b"PN", CANARY))),
    "digital signatures": raw(0xFFFAFFFA, b"SQ", item(raw(0x04000115, b"OB", CANARY))),
    "icon": raw(0x00880200, b"SQ", item(raw(0x7FE00010, b"OW", CANARY))),
    "unknown attribute of an even group": raw(0x00181FFE, b"LO", CANARY),
    "unknown even group": raw(0x12341234, b"UT", CANARY),
    "directory group": raw(0x00041500, b"CS", CANARY),
    "group length": raw(0x00180000, b"LO", CANARY),
    "private without creator": raw(0x00091001, b"LO", CANARY),
    "private creator": raw(0x00090010, b"LO", CANARY),
    "private group 1": raw(0x00011234, b"LO", CANARY),
    "private in public": raw(0x00081140, b"SQ", item(raw(0x00090010, b"LO", b"X ") + raw(0x00091001, b"UT", CANARY))),
    "public in private": raw(
        0x00091002, b"SQ", item(raw(0x00181030, b"LO", CANARY), UNDEFINED) + SEQUENCE_END, UNDEFINED
    ),
    "free text": raw(0x00204000, b"LT", CANARY),
    "free text that no row lists": raw(0x300A01BA, b"ST", CANARY),
    "order number that no row lists": raw(0x00402006, b"SH", CANARY),
    "person that no row lists": raw(0x0040A067, b"PN", CANARY),
    "beam name": raw(0x300A00B0, b"SQ", item(raw(0x300A00C2, b"LO", CANARY))),
    "text in DS": raw(0x00180060, b"DS", CANARY),
    "text in IS": raw(0x00200013, b"IS", CANARY),
    "text in AS": raw(0x00101010, b"AS", CANARY),
    "text in CS": raw(0x00180022, b"CS", b"Canary^Nordmann "),
    "long text in CS": raw(0x00180022, b"CS", b"CANARYNORDMANN BORN IN BERGEN "),
    "text in DA": raw(0x00080021, b"DA", CANARY),
    "text in DT": raw(0x0008002A, b"DT", CANARY),
    "text in TM": raw(0x00080031, b"TM", CANARY),
    "text in UI": raw(0x00200052, b"UI", CANARY),
    "text in a version": raw(0x00080106, b"DT", CANARY),
    "number as free text": raw(0x00180060, b"LT", CANARY),
    "number as bytes": raw(0x00280106, b"OB", CANARY),
    "code as UN": raw(0x00080070, b"UN", CANARY),
    "sequence as text": raw(0x00081140, b"LT", CANARY),
    "text as sequence": raw(0x00181030, b"SQ", item(raw(0x00080070, b"LO", CANARY))),
    "UN of unknown content": raw(0x00181FFE, b"UN", CANARY),
    "UN sequence, implicit": raw(0x00081140, b"UN", item(implicit(0x00104000, CANARY))),
    "UN sequence, explicit": raw(0x00081140, b"UN", item(raw(0x00104000, b"LT", CANARY))),
    "UN sequence, undefined length": raw(
        0x00081140, b"UN", item(implicit(0x00104000, CANARY), UNDEFINED) + SEQUENCE_END, UNDEFINED
    ),
    "UN of undefined length, unknown": raw(
        0x00091140, b"UN", item(implicit(0x00104000, CANARY), UNDEFINED) + SEQUENCE_END, UNDEFINED
    ),
    "staff code": raw(0x00400260, b"SQ", item(raw(0x00401101, b"SQ", item(raw(0x00080104, b"LO", CANARY))))),
    "waveform annotation": raw(0x0040B020, b"SQ", item(raw(0x00700006, b"ST", CANARY))),
    "timezone": raw(0x00080201, b"SH", CANARY),
    "URL": raw(0x00081190, b"UR", CANARY),
    "duplicate": raw(0x00180015, b"CS", b"HEAD") + raw(0x00100010, b"PN", CANARY) + raw(0x00100010, b"PN", b"A "),
    "out of order": raw(0x30060026, b"LO", CANARY) + raw(0x00100010, b"PN", CANARY),
    "deep": sequence(0x00081140, sequence(0x00081140, sequence(0x00081140, raw(0x00100010, b"PN", CANARY)))),
    "per frame": sequence(
        0x52009230, raw(0x00189074, b"DT", CANARY) + sequence(0x00209111, raw(0x00209158, b"LT", CANARY))
    ),
}  # fmt: skip


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_nothing_hides(bench: Bench, place: str) -> None:
    output = bench.written(before_pixels(encoded(ct()), HIDING_PLACES[place]))
    assert b"CANARY" not in output.upper()
    after = pydicom.dcmread(BytesIO(output))
    assert [element.tag for element in after] == sorted({element.tag for element in after})
    assert after.PixelData == ct().PixelData


TEXTS = (b"LO", b"SH", b"LT", b"ST", b"UT", b"UC", b"PN", b"AE", b"UR")


def test_nothing_hides_in_any_attribute_that_goes(bench: Bench) -> None:
    known = {tag: (rule, DICTIONARY.get(tag, (b"LO",))[0]) for tag, rule in sorted(compiled(BASIC).rules.items())}
    going = [
        (tag, vr)
        for tag, (rule, vr) in known.items()
        if vr in TEXTS and rule.act in (Act.DROP, Act.EMPTY, Act.DUMMY) and tag not in OVERLAY_BITS_ALLOCATED
    ]
    planted = b"".join(raw(tag, vr, b"CNRY%08X" % tag) for tag, vr in going)
    nested_too = raw(0x00081140, b"SQ", item(planted)) + raw(
        0x52009230, b"SQ", item(raw(0x00081140, b"SQ", item(planted)))
    )
    for content in (planted, nested_too):
        output = bench.written(before_pixels(encoded(ct()), content))
        assert b"CNRY" not in output
    assert len(going) > 350


def test_bytes_around_the_dataset_go(bench: Bench) -> None:
    content = encoded(ct()) + raw(0xFFFCFFFC, b"OB", CANARY) + raw(0x00100010, b"PN", CANARY) + CANARY
    assert CANARY not in bench.written(content)
    report = ct()
    del report["PixelData"]
    content = encoded(report) + raw(0xFFFCFFFC, b"OB", CANARY) + CANARY
    assert CANARY not in bench.written(content)
    assert bench.written(encoded(report) + bytes(33))


def test_file_meta_goes(bench: Bench) -> None:
    content = encoded(ct())
    meta = b"".join(raw(tag, b"AE", b"CANARYNORDMANN  ") for tag in (0x00020016, 0x00020017, 0x00020018))
    meta += raw(0x00020100, b"UI", b"1.2.3.19700203\0\0") + raw(0x00020102, b"OB", CANARY * 6000)
    head = content[132:144]
    length = struct.unpack("<L", head[8:])[0]
    body = content[144 : 144 + length]
    hostile = content[:132] + head[:8] + struct.pack("<L", length + len(meta)) + body + meta + content[144 + length :]
    output = bench.written(hostile)
    assert b"CANARY" not in output
    assert b"1.2.3.19700203" not in output


def test_after_a_deflated_stream_nothing_follows(bench: Bench) -> None:
    output = bench.written(encoded(ct(), DeflatedExplicitVRLittleEndian) + CANARY)
    assert CANARY not in output
    assert pydicom.dcmread(BytesIO(output)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


@pytest.mark.parametrize("implicit_vr", [True, False])
def test_no_preamble_and_no_meta_are_read(bench: Bench, implicit_vr: bool) -> None:
    buffer = BytesIO()
    ct().save_as(buffer, implicit_vr=implicit_vr, little_endian=True)
    after = bench.read(buffer.getvalue()[132:] if buffer.getvalue()[128:132] == b"DICM" else buffer.getvalue())
    assert after.PatientID == "NOR_001"


def nested(depth: int, core: bytes, undefined: bool) -> bytes:
    """Referenced Image Sequences in each other."""
    for _ in range(depth):
        if undefined:
            core = raw(0x00081140, b"SQ", item(core, UNDEFINED) + SEQUENCE_END, UNDEFINED)
        else:
            core = raw(0x00081140, b"SQ", item(core))
    return core


@pytest.mark.parametrize("undefined", [True, False])
def test_deep_nesting_is_handled_or_refused(bench: Bench, undefined: bool) -> None:
    secret = raw(0x00100010, b"PN", CANARY)
    assert CANARY not in bench.written(before_pixels(encoded(ct()), nested(60, secret, undefined)))
    for path in bench.out.rglob("*.dcm"):
        path.unlink()
    for depth in (250, 300, 1500):
        assert bench.refusal(before_pixels(encoded(ct()), nested(depth, secret, undefined))).rule == "nesting"


def test_deep_private_nesting_is_skipped(bench: Bench) -> None:
    core = b""
    for _ in range(3000):
        core = raw(0x00091001, b"SQ", item(core, UNDEFINED) + SEQUENCE_END, UNDEFINED)
    assert bench.read(before_pixels(encoded(ct()), core)).PatientID == "NOR_001"


def small(tag: int, vr: bytes, length: int) -> bytes:
    """A 1 kB file in which one element claims `length` bytes."""
    return before_pixels(encoded(ct()), raw(tag, vr, b"ABCD", length))


def deflated(stream: bytes) -> bytes:
    """A file that declares the deflated transfer syntax and holds `stream`."""
    content = encoded(ct(), DeflatedExplicitVRLittleEndian)
    return content[: 144 + struct.unpack("<L", content[140:144])[0]] + stream


def syntax(uid: bytes) -> bytes:
    """A file in explicit VR little endian that declares another transfer syntax."""
    return encoded(ct()).replace(b"\x14\x001.2.840.10008.1.2.1\0", bytes((len(uid), 0)) + uid)


REFUSED = {
    "2 GB in 1 kB": (small(0x00204000, b"UT", 0x7FFFFFFE), "truncated"),
    "2 GB of a sequence": (small(0x00081140, b"SQ", 0x7FFFFFFE), "truncated"),
    "2 GB of an item": (before_pixels(encoded(ct()), raw(0x00081140, b"SQ", item(b"", 0x7FFFFFFE)[:8])), "truncated"),
    "item beyond its sequence": (before_pixels(encoded(ct()), raw(0x00081140, b"SQ", item(b"", 40))), "lying-length"),
    "element beyond its item": (
        before_pixels(encoded(ct()), raw(0x00081140, b"SQ", item(raw(0x00081155, b"UI", b"1.2 ", 40)))), "lying-length",
    ),
    "sequence without an end": (
        before_pixels(encoded(ct()), raw(0x00081140, b"SQ", item(b""), UNDEFINED)), "structure",
    ),
    "sequence of no items": (before_pixels(encoded(ct()), raw(0x00081140, b"SQ", b"ABCDEFGH")), "structure"),
    "stray delimiter": (before_pixels(encoded(ct()), ITEM_END), "structure"),
    "unknown VR": (before_pixels(encoded(ct()), raw(0x00081140, b"zz", b"ABCD")), "unknown-vr"),
    "half an element": (encoded(ct())[:-40], "truncated"),
    "half the pixels": (encoded(ct())[:-8], "truncated"),
    "burned in": (encoded(ct(BurnedInAnnotation="YES")), "burned-in"),
    "label in a slide": (encoded(ct(SpecimenLabelInImage="YES")), "burned-in"),
    "secondary capture": (encoded(ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")), "text-in-pixels"),
    "ultrasound": (encoded(ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1", BurnedInAnnotation="NO")), "text-in-pixels"),
    "screen save": (encoded(ct(ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])), "text-in-pixels"),
    "PDF": (encoded(ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1")), "encapsulated-document"),
    "document in an image": (encoded(ct(EncapsulatedDocument=b"%PDF")), "encapsulated-document"),
    "overlay in the pixels": (
        before_pixels(encoded(ct()), raw(0x60000100, b"US", b"\x10\0")), "overlay-in-pixels",
    ),
    "no study": (encoded(ct(StudyInstanceUID=None)), "identity"),
    "empty series": (encoded(ct(SeriesInstanceUID="")), "identity"),
    "UID of 70 characters": (
        encoded(ct(StudyInstanceUID="1.2.3")).replace(b"UI\6\0001.2.3\0", b"UI\x46\0" + b"1.2." + b"3" * 66),
        "identity",
    ),
    "no SOP class": (encoded(ct()).replace(b"\x08\0\x16\0UI", b"\x08\0\x17\0UI"), "sop-class"),
    "somebody's SOP class": (
        encoded(ct()).replace(b"\x08\0\x16\0UI\x1a\0001.2.840.10008.5", b"\x08\0\x16\0UI\x1a\0001.2.826.10008.5"),
        "sop-class",
    ),
    "unknown transfer syntax": (syntax(b"1.2.840.99999.1.2.1\0"), "transfer-syntax"),
    "JPIP": (syntax(b"1.2.840.10008.1.2.4.94"), "transfer-syntax"),
    "not encoded as it says": (syntax(b"1.2.840.10008.1.2\0"), "truncated"),
    "empty": (b"", "not-dicom"),
    "text": (b"Kari Nordmann, 03027012345\n" * 20, "not-dicom"),
    "meta only": (encoded(ct())[:144], "not-dicom"),
    "deflated and cut": (encoded(ct(), DeflatedExplicitVRLittleEndian)[:-20], "truncated"),
    "deflated and garbled": (deflated(b"\xff" * 200), "deflate"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_whole_is_refused(bench: Bench, case: str) -> None:
    content, rule = REFUSED[case]
    refusal = bench.refusal(content)
    assert refusal.rule == rule, str(refusal)
    assert "ABCD" not in str(refusal)
    assert "ordmann" not in str(refusal).lower()


def test_where_says_the_path(bench: Bench) -> None:
    content = raw(0x00081140, b"SQ", item(b"") + item(raw(0x00081140, b"SQ", item(raw(0x00280301, b"CS", b"YES ")))))
    refusal = bench.refusal(before_pixels(encoded(ct()), content))
    assert refusal.where == "(0008,1140)[1].(0008,1140)[0].(0028,0301)"


def test_refusals_are_quick_and_small(bench: Bench) -> None:
    bomb = zlib.compressobj(wbits=-15)
    body = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(100)) + bomb.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    bench.refusal(deflated(body))
    assert time.process_time() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_sequence_as_un_becomes_a_sequence(bench: Bench) -> None:
    uid = implicit(0x00081150, b"1.2.840.10008.5.1.4.1.1.2\0") + implicit(0x00081155, b"1.2.826.0.19700203.3")
    for content in (
        raw(0x00081140, b"UN", item(uid)),
        raw(0x00081140, b"UN", item(uid, UNDEFINED) + SEQUENCE_END, UNDEFINED),
    ):
        after = bench.read(before_pixels(encoded(ct()), content))
        assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == SUBJECT.new_uid("1.2.826.0.19700203.3")


def test_big_endian_and_implicit_keep_their_values(bench: Bench) -> None:
    inner = Dataset()
    inner.add_new(0x00281101, "US", [256, 0, 16])
    for syntax in (ExplicitVRBigEndian, ImplicitVRLittleEndian):
        after = bench.read(encoded(ct(ModalityLUTSequence=Sequence([inner]), PixelData=bytes(32)), syntax))
        assert after.file_meta.TransferSyntaxUID == syntax
        assert list(after.ModalityLUTSequence[0].RedPaletteColorLookupTableDescriptor) == [256, 0, 16]
        assert after.Rows == 4


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_never_crash_nor_leak(data: st.DataObject) -> None:
    import tempfile
    from pathlib import Path

    content = bytearray(before_pixels(encoded(ct()), nested(3, raw(0x00100010, b"PN", CANARY), True)))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(132, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        try:
            output = Bench(Path(folder)).written(bytes(content[: data.draw(st.integers(200, len(content)))]))
        except CannotDeidentify:
            return
        assert b"Nordmann" not in output


def test_safe_private_option_lets_no_text_through(bench: Bench) -> None:
    safe = Profile(name="basic", options=frozenset((Option.MODIFIED_DATES, Option.SAFE_PRIVATE)))
    creator = raw(0x00190010, b"LO", b"SIEMENS MR HEADER ")
    for vr in (b"IS", b"LO", b"UN", b"DS", b"OB"):
        content = creator + b"".join(raw(0x00191000 | number, vr, CANARY) for number in range(0x08, 0x18))
        assert CANARY not in bench.written(before_pixels(encoded(ct()), content), safe)
