"""Objects to de-identify, built in memory: sound ones by pydicom, hostile ones by hand."""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from deidentification import BASIC, CannotDeidentify, Profile, Subject, deidentify

KEY = bytes(range(32))
SUBJECT = Subject("NORSTUDY", "NOR_001", "baseline", KEY)
CT = "1.2.840.10008.5.1.4.1.1.2"


def ct(**attributes: Any) -> Dataset:
    """A small CT image with a patient in it; `attributes` replace or add."""
    data = Dataset()
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": CT,
        "SOPInstanceUID": "1.2.826.0.19700203.3",
        "StudyInstanceUID": "1.2.826.0.19700203.1",
        "SeriesInstanceUID": "1.2.826.0.19700203.2",
        "FrameOfReferenceUID": "1.2.826.0.19700203.4",
        "Modality": "CT",
        "StudyDate": "20240311",
        "StudyTime": "101010.5",
        "AccessionNumber": "ACC4711X",
        "PatientName": "Nordmann^Kari",
        "PatientID": "03027012345",
        "PatientBirthDate": "19700203",
        "PatientSex": "F",
        "ReferringPhysicianName": "Henviser^Hans",
        "InstitutionName": "Fjordsykehuset",
        "Rows": 4,
        "Columns": 4,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": bytes(range(32)),
        **attributes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(data, keyword, value)
    data["PixelData"].VR = "OW"
    return data


def encoded(data: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """The file's bytes."""
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.SourceApplicationEntityTitle = "NORDMANNSAE"
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def raw(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """One element in explicit VR little endian, with any length field one likes."""
    length = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR", b"OF", b"OD", b"OL", b"OV"):
        return head + struct.pack("<HL", 0, length) + value
    return head + struct.pack("<H", length) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    """One element in implicit VR little endian."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def split(content: bytes) -> tuple[bytes, bytes]:
    """The bytes up to the top-level pixel data's element, and from there on."""
    at = content.rindex(b"\xe0\x7f\x10\x00OW")
    return content[:at], content[at:]


def before_pixels(content: bytes, more: bytes) -> bytes:
    """The file with `more` as its last elements before the pixel data."""
    head, tail = split(content)
    return head + more + tail


class Bench:
    """A folder in which bytes are de-identified and read back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"

    def file(self, content: bytes) -> Path:
        """The content as a file."""
        path = self.folder / "input.dcm"
        path.write_bytes(content)
        return path

    def written(self, content: bytes, profile: Profile = BASIC, subject: Subject = SUBJECT) -> bytes:
        """The bytes that the engine makes of `content`."""
        result = deidentify(self.file(content), self.out, subject, profile)
        return (self.out / result.path).read_bytes()

    def read(self, content: bytes, profile: Profile = BASIC, subject: Subject = SUBJECT) -> Dataset:
        """The same, read by pydicom."""
        return pydicom.dcmread(BytesIO(self.written(content, profile, subject)))

    def refusal(self, content: bytes, profile: Profile = BASIC) -> CannotDeidentify:
        """Why the engine refuses `content`; nothing may be left behind."""
        try:
            self.written(content, profile)
        except CannotDeidentify as refusal:
            assert not [path for path in self.out.rglob("*") if path.is_file()]
            return refusal
        raise AssertionError("was not refused")
