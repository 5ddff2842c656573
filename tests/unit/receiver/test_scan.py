"""One walk over a dataset: what it finds, what it refuses, and that nothing can upset it."""

import random
import time
import tracemalloc
import zlib
from pathlib import Path
from struct import pack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from shared.dicom import encoding as module
from shared.dicom.encoding import Unparsable
from shared.dicom.filemeta import read_meta, write_meta
from shared.dicom.scan import Scan, scan

IMPLICIT, EXPLICIT, BIG, DEFLATED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)
ENCODINGS = {IMPLICIT: (True, True), EXPLICIT: (False, True), BIG: (False, False)}
EXPECTED = Scan("1.2.3", "1.2.3.4", "1.2.3.4.5", "1.2.840.10008.5.1.4.1.1.2")
FOLDER = Path(str(get_testdata_file("CT_small.dcm"))).parent


def dataset(nested: int = 0, undefined: bool = True) -> Dataset:
    """A small one; `nested` sequences deep, where UIDs that must not be found stand too."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = EXPECTED.sop_class_uid, EXPECTED.sop_instance_uid
    inner = data
    for _ in range(nested):
        item = Dataset()
        item.StudyInstanceUID, item.SeriesInstanceUID, item.SOPInstanceUID = "9.9", "9.9", "9.9"
        inner.ReferencedStudySequence = Sequence([item])
        inner["ReferencedStudySequence"].is_undefined_length = undefined
        item.is_undefined_length_sequence_item = undefined
        inner = item
    data.StudyInstanceUID, data.SeriesInstanceUID = EXPECTED.study_instance_uid, EXPECTED.series_instance_uid
    data.Rows = 4
    data.PixelData = bytes(64)
    data["PixelData"].VR = "OW"
    return data


def encode(data: Dataset, syntax: str) -> bytes:
    """As bytes."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = ENCODINGS[syntax]
    write_dataset(buffer, data)
    return buffer.getvalue()


@pytest.mark.parametrize("syntax", ENCODINGS)
@pytest.mark.parametrize("nested", [0, 1, 5])
@pytest.mark.parametrize("undefined", [True, False])
def test_finds_the_uids_of_the_top_level(syntax: str, nested: int, undefined: bool) -> None:
    content = encode(dataset(nested, undefined), syntax)
    assert scan(content, syntax) == EXPECTED
    assert scan(memoryview(content), syntax) == EXPECTED
    assert scan(bytearray(b"before" + content), syntax, 6) == EXPECTED


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_every_truncation_is_noticed_unless_it_falls_between_elements(syntax: str) -> None:
    data = dataset(2)
    content = encode(data, syntax)
    borders = {0}
    for count in range(1, len(data) + 1):
        part = Dataset()
        for element in list(data)[:count]:
            part.add(element)
        borders.add(len(encode(part, syntax)))
    for length in range(len(content)):
        # A tail of nothing but zeros is padding, wherever it is cut.
        if length in borders or not any(content[max(b for b in borders if b <= length) : length]):
            scan(content[:length], syntax)
        else:
            with pytest.raises(Unparsable):
                scan(content[:length], syntax)


def test_every_file_of_pydicom_says_what_pydicom_says() -> None:
    agreed = 0
    for path in FOLDER.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        try:
            meta = read_meta(content)
        except Unparsable:
            continue
        try:
            found = scan(content, meta.transfer_syntax_uid, meta.dataset)
        except Unparsable:
            assert "truncated" in path.name
            continue
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pydicom.filereader.warn_and_log", lambda *_: None)
            data = dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS))
        assert [str(data.get(keyword) or "") for keyword in KEYWORDS] == [
            found.study_instance_uid,
            found.series_instance_uid,
            found.sop_instance_uid,
            found.sop_class_uid,
        ]
        agreed += 1
    assert agreed > 100


KEYWORDS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"]


def test_a_group_length_means_nothing() -> None:
    lie = pack("<HH2sHL", 8, 0, b"UL", 4, 0xFFFFFF00)
    assert scan(lie + encode(dataset(), EXPLICIT), EXPLICIT) == EXPECTED


@pytest.mark.parametrize("padding", [1, 2, 7, 8, 100, 100_000])
def test_zeros_at_the_end_are_padding(padding: int) -> None:
    assert scan(encode(dataset(), EXPLICIT) + bytes(padding), EXPLICIT) == EXPECTED


def test_zeros_before_the_end_are_not() -> None:
    with pytest.raises(Unparsable):
        scan(encode(dataset(), EXPLICIT) + bytes(100) + b"1", EXPLICIT)


def test_encapsulated_pixel_data() -> None:
    item = pack("<HHL", 0xFFFE, 0xE000, 4) + b"\1\2\3\4"
    head = encode(dataset(), EXPLICIT)[: -(12 + 64)]
    whole = head + pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + item * 3
    assert scan(whole + pack("<HHL", 0xFFFE, 0xE0DD, 0), "1.2.840.10008.1.2.4.50") == EXPECTED
    with pytest.raises(Unparsable, match="sequence"):
        scan(whole, "1.2.840.10008.1.2.4.50")


def test_unknown_of_undefined_length_is_implicit_inside() -> None:
    inner = encode(dataset(), IMPLICIT)
    item = pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + pack("<HHL", 0xFFFE, 0xE00D, 0)
    unknown = pack("<HH2sHL", 0x0009, 0x1001, b"UN", 0, 0xFFFFFFFF) + item + pack("<HHL", 0xFFFE, 0xE0DD, 0)
    assert scan(unknown + encode(dataset(), EXPLICIT), EXPLICIT) == EXPECTED


@pytest.mark.parametrize(
    "stray",
    [(0xFFFE, 0xE000, 0), (0xFFFE, 0xE00D, 0), (0xFFFE, 0xE0DD, 0), (0xFFFE, 0xE000, 0xFFFFFFFF)],
)
def test_delimiters_where_none_belong(stray: tuple[int, int, int]) -> None:
    for syntax in (IMPLICIT, EXPLICIT):
        with pytest.raises(Unparsable):
            scan(encode(dataset(), syntax) + pack("<HHL", *stray), syntax)


def test_private_transfer_syntaxes_are_taken_for_what_they_look_like() -> None:
    for syntax in ENCODINGS:
        assert scan(encode(dataset(), syntax), "1.2.826.0.1.3680043.2.9999.1") == EXPECTED


def test_deflated() -> None:
    packer = zlib.compressobj(wbits=-15)
    content = packer.compress(encode(dataset(), EXPLICIT)) + packer.flush()
    assert scan(content, DEFLATED) == EXPECTED
    assert scan(content + b"\0", DEFLATED) == EXPECTED
    for broken in (content[:-3], b"", b"\xff" * 50):
        with pytest.raises(Unparsable):
            scan(broken, DEFLATED)


def test_a_deflate_bomb_does_not_explode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INFLATE_LIMIT", 1_000_000)
    packer = zlib.compressobj(wbits=-15)
    with pytest.raises(Unparsable, match="limit"):
        scan(packer.compress(bytes(50_000_000)) + packer.flush(), DEFLATED)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_a_hundred_thousand_levels_deep(syntax: str) -> None:
    level = {
        IMPLICIT: pack("<HHL", 8, 0x1110, 0xFFFFFFFF),
        EXPLICIT: pack("<HH2sHL", 8, 0x1110, b"SQ", 0, 0xFFFFFFFF),
    }[syntax]
    hostile = (level + pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)) * 100_000
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(Unparsable):
            scan(hostile, syntax)
        assert tracemalloc.get_traced_memory()[1] < len(hostile)
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 10


def test_work_grows_with_the_size_only() -> None:
    hostile = (bytes(8) * 50_000) + b"\1"
    start = time.process_time()
    with pytest.raises(Unparsable):
        scan(hostile, IMPLICIT)
    assert time.process_time() - start < 5


def whole_or_reason(error: Unparsable) -> None:
    """A refusal says why."""
    assert error.reason


SYNTAXES = st.sampled_from([IMPLICIT, EXPLICIT, BIG, DEFLATED, "1.2.840.10008.1.2.4.50", "1.2.3.4"])
CORPUS = [encode(dataset(3), syntax) for syntax in ENCODINGS] + [
    Path(str(get_testdata_file(name))).read_bytes()[:6000]
    for name in ("CT_small.dcm", "rtplan.dcm", "JPEG2000.dcm", "image_dfl.dcm")
]


@given(st.binary(max_size=300), SYNTAXES)
@settings(max_examples=500, deadline=None)
def test_any_bytes_give_a_scan_or_unparsable(content: bytes, syntax: str) -> None:
    try:
        assert isinstance(scan(content, syntax), Scan)
    except Unparsable as error:
        whole_or_reason(error)


@given(st.sampled_from(CORPUS), SYNTAXES, st.integers(), st.integers(1, 8), st.integers(0, 400))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_damage_gives_a_scan_or_unparsable(content: bytes, syntax: str, seed: int, hits: int, start: int) -> None:
    dice, damaged = random.Random(seed), bytearray(content)
    for _ in range(hits):
        damaged[dice.randrange(len(damaged))] = dice.choice((0, 0xFF, 0xFE, 0xE0, dice.randrange(256)))
    try:
        assert isinstance(scan(damaged, syntax, start), Scan)
    except Unparsable as error:
        whole_or_reason(error)


def test_file_meta_round_trip(tmp_path: Path) -> None:
    uids = EXPECTED.sop_class_uid, EXPECTED.sop_instance_uid, EXPLICIT
    content = write_meta(*uids) + encode(dataset(), EXPLICIT)
    (tmp_path / "a.dcm").write_bytes(content)
    read = dcmread(tmp_path / "a.dcm")
    meta = read_meta(content)
    assert (meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid) == uids
    assert content[meta.dataset :] == encode(dataset(), EXPLICIT)
    assert read.file_meta.FileMetaInformationGroupLength + 144 == meta.dataset
    assert read.file_meta.MediaStorageSOPInstanceUID == EXPECTED.sop_instance_uid
    assert read.preamble == bytes(128)
    assert read.Rows == 4


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_file_meta_or_unparsable(tail: bytes) -> None:
    try:
        assert read_meta(bytes(128) + b"DICM" + tail).transfer_syntax_uid
    except Unparsable as error:
        whole_or_reason(error)
