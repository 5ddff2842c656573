"""Reading a header finds what pydicom finds, in every file, and never fails on what was accepted."""

import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from services.indexer.classification.rules import load
from services.indexer.headers import fields, siemens
from services.indexer.headers.header import Header, find, keyword_tag, read, with_creators
from services.indexer.headers.image import Reader
from shared.dicom.encoding import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_BIG, IMPLICIT_LITTLE, Encoding
from shared.dicom.filemeta import write_meta
from shared.dicom.scan import scan
from shared.events import ReceivedInstance
from shared.store import Store
from tests.unit.indexer.samples import CHARSETS, PYDICOM, dataset, files, header, write

WANTED = with_creators([*fields.TAGS.values(), *fields.LISTS.values(), *fields.OTHERS.values(), *siemens.TAGS])
NAME, ID = 0x00100010, 0x00100020


def reference(path: Path) -> dict[int, bytes | None]:
    """The wanted elements with their bytes, as pydicom reads them; None where it has already converted them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = pydicom.dcmread(path, stop_before_pixels=True)
        raw = {tag: whole.get_item(tag) for tag in WANTED if tag in whole}
    return {tag: (each.value or b"") if isinstance(each, RawDataElement) else None for tag, each in raw.items()}


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_same_elements_as_pydicom(path: Path) -> None:
    expected = reference(path)
    if not expected:
        with pytest.raises(ValueError, match="none of the wanted"):
            read(path, WANTED)
        return
    found = read(path, WANTED)
    assert all(found.bytes(tag) == raw for tag, raw in expected.items() if raw is not None)
    assert set(found.raw) == set(expected)


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_all_fields_of_all_files_can_be_shown(path: Path) -> None:
    try:
        found = read(path, WANTED)
    except ValueError:
        assert not reference(path)
        return
    shown = fields.image_fields(found)
    assert set(shown) <= fields.FIELDS
    assert all(isinstance(value, str) for name, value in shown.items() if name not in fields.LISTS)
    assert "\0" not in repr(shown)


@pytest.mark.parametrize("path", [path for path in files() if path.parent == CHARSETS], ids=lambda path: path.name)
def test_names_are_decoded_by_their_character_set(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = str(pydicom.dcmread(path).get("PatientName", ""))
    assert read(path, WANTED).whole(NAME) == expected


def test_names_that_no_character_set_explains_are_kept_as_far_as_they_go(tmp_path: Path) -> None:
    path = write(dataset(PatientName="Ærlig^Åse"), tmp_path / "a.dcm")
    for term in (b"ISO_IR 6  ", b"ISO_IR 999", b"\\\\\\\\\\\\\\\\\\\\"):
        path.write_bytes(path.read_bytes().replace(b"ISO_IR 192", term))
        assert "rlig^" in read(path, WANTED).whole(NAME)
        path.write_bytes(path.read_bytes().replace(term, b"ISO_IR 192"))
    assert read(path, WANTED).whole(NAME) == "Ærlig^Åse"


def test_a_deflated_bomb_is_read_up_to_a_limit(tmp_path: Path) -> None:
    plain = (PYDICOM / "image_dfl.dcm").read_bytes()
    meta = 144 + int.from_bytes(plain[140:144], "little")
    start = zlib.decompress(plain[meta:], -zlib.MAX_WBITS)[:200]
    bomb = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = (
        b"\x09\x00\x01\x10OB\0\0" + (1 << 30).to_bytes(4, "little") + bytes(40 << 20)
    )  # a private element of 1 GiB, of which 40 MiB are there
    end = start.find(b"\x08\0\x18\0UI")
    (tmp_path / "bomb.dcm").write_bytes(plain[:meta] + bomb.compress(start[:end] + zeros) + bomb.flush())
    found = read(tmp_path / "bomb.dcm", WANTED)
    assert found.first(0x00080016) == "1.2.840.10008.5.1.4.1.1.7"


def test_what_the_receiver_proved_whole_is_read(tmp_path: Path) -> None:
    """A VR that the Standard may have one day, and encodings that are nobody's habit."""
    made = Dataset()
    made.PatientName, made.SOPInstanceUID = "N", "1.2.3.1"
    future = b"\x09\0\x01\x10ZZ\0\0\x04\0\0\0abcd"
    explicit = encode(made, little_endian=True)
    at = explicit.index(b"\x10\0\x10\0PN")
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    datasets = {
        "1.2.840.10008.1.2.1": explicit[:at] + future + explicit[at:],
        "1.2.840.10008.1.2.4.95": packer.compress(explicit) + packer.flush(),
        "1.2.840.113619.5.2": encode(made, implicit=True, little_endian=True),
        "1.2.3.4": encode(made, little_endian=False),
    }
    for syntax, content in datasets.items():
        path = tmp_path / f"{syntax}.dcm"
        path.write_bytes(write_meta("1.2", "1.2.3.1", syntax) + content)
        assert scan(content, syntax).sop_instance_uid == "1.2.3.1"
        assert read(path, WANTED).first(NAME) == "N"


def encode(made: Dataset, little_endian: bool, implicit: bool = False) -> bytes:
    """A dataset by pydicom, without file meta information."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, made, implicit_vr=implicit, little_endian=little_endian)
    return buffer.getvalue()


def test_a_length_that_lies_loses_only_what_comes_after(tmp_path: Path) -> None:
    path = write(dataset(PatientID="P1", PatientName="N"), tmp_path / "a.dcm")
    data = path.read_bytes()
    at = data.index(b"\x10\0\x20\0LO")
    path.write_bytes(data[: at + 6] + b"\xff\xff" + data[at + 8 :])
    assert read(path, WANTED).first(NAME) == "N"


def test_nesting_without_end_is_left(tmp_path: Path) -> None:
    open_sequence = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    data = write(dataset(), tmp_path / "a.dcm").read_bytes()
    at = data.index(b"\x20\0\x0d\0UI")
    (tmp_path / "b.dcm").write_bytes(data[:at] + open_sequence * 20_000)
    assert read(tmp_path / "b.dcm", WANTED).first(0x00080060) == "MR"


@given(st.binary(max_size=400), st.sampled_from([IMPLICIT_LITTLE, IMPLICIT_BIG, EXPLICIT_LITTLE, EXPLICIT_BIG]))
def test_any_bytes_can_be_walked_and_shown(data: bytes, encoding: Encoding) -> None:
    tags = frozenset((*WANTED, *(int.from_bytes(data[i : i + 2], "little") << 16 for i in range(0, 40, 2))))
    found = Header(find(data, 0, encoding, tags), encoding.little_endian)
    for tag in found.raw:
        found.shown(tag)
    fields.image_fields(found)
    fields.expected_instances(found)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.tuples(st.integers(132, 6000), st.integers(0, 255)), min_size=1, max_size=12))
def test_flipped_bytes_never_lose_an_instance(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    data = bytearray((PYDICOM / "CT_small.dcm").read_bytes())
    for at, value in flips:
        data[at] = value
    store = Store(tmp_path)
    (tmp_path / "flipped.dcm").write_bytes(data)
    instance = ReceivedInstance(
        study_instance_uid="1.2",
        series_instance_uid="1.2.3",
        sop_instance_uid="1.2.3.4",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        path="flipped.dcm",
        size=len(data),
    )
    with ThreadPoolExecutor(1) as executor:
        image = Reader(store, load(), executor, 1).read(instance)
    assert image.fields["StudyInstanceUID"] == "1.2"
    assert set(image.fields) <= fields.FIELDS


def test_expected_instances() -> None:
    assert fields.expected_instances(header(dataset())) is None
    assert fields.expected_instances(header(dataset(ImagesInAcquisition=30))) == 30
    both = dataset(ImagesInAcquisition=30, NumberOfSeriesRelatedInstances=60)
    assert fields.expected_instances(header(both)) == 60
    assert fields.expected_instances(header(dataset(ImagesInAcquisition=0))) is None


def test_private_elements_are_typed_by_their_creator() -> None:
    made = dataset()
    block = made.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    assert header(made).value(0x0019100C) == "1000"


def test_keywords() -> None:
    assert keyword_tag("PatientID") == ID
    assert keyword_tag("NoSuchKeyword") is None
