"""Files and datasets for the indexer's tests: those in the pydicom and nibabel wheels, and small made ones."""

from io import BytesIO
from pathlib import Path

import nibabel
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from services.indexer.headers.header import Header, find, read, with_creators
from shared.dicom.encoding import EXPLICIT_LITTLE

PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"
CHARSETS = Path(pydicom.__file__).parent / "data" / "charset_files"
NIBABEL = Path(nibabel.__file__).parent / "nicom" / "tests" / "data"


def files() -> list[Path]:
    """Every DICOM file that the two wheels hold."""
    found = [
        path
        for folder in (PYDICOM, CHARSETS, NIBABEL)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.read_bytes()[128:132] == b"DICM"
    ]
    assert len(found) > 80
    return found


def dataset(**attributes: object) -> Dataset:
    """A small MR image without pixels."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = MRImageStorage
    made.SOPInstanceUID = "1.2.3.1"
    made.StudyInstanceUID = "1.2.3"
    made.SeriesInstanceUID = "1.2.3.4"
    made.Modality = "MR"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def write(made: Dataset, path: Path) -> Path:
    """As a Part 10 file."""
    made.save_as(path, enforce_file_format=True)
    return path


def header(made: Dataset) -> Header:
    """The header of a dataset, all of its elements wanted."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, made, implicit_vr=False, little_endian=True)
    data = buffer.getvalue()
    start = data.find(b"\x08\0\x05\0CS")
    wanted = with_creators([int(element.tag) for element in made])
    return Header(find(data, start, EXPLICIT_LITTLE, wanted), little_endian=True)


__all__ = ["CHARSETS", "NIBABEL", "PYDICOM", "dataset", "files", "header", "read", "write"]
