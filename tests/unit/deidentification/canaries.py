"""Real files with a unique value planted in every text, name, date, UID and private element at every depth."""

import importlib.util
import re
import warnings
from collections.abc import Iterator
from datetime import date, timedelta
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Final

import pydicom
import pydicom.data
from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import Dataset

from deidentification.standard import tables

NO_DICOM: Final = frozenset((".py", ".pyc", ".json", ".txt", ".md", ".zip", ".toml", ".in", ".rst"))
TEXT_VRS: Final = frozenset(("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
# No row of E.1-1 lists them, and a data dictionary that knows them says that they are short labels: they may stay.
SHORT_VRS: Final = frozenset(("LO", "SH"))
# Names of codes and of their schemes, in VRs of free text.
CODE_NAMES: Final = frozenset((0x00080115, 0x00080119))
LISTED: Final = frozenset(
    int(row.tag, 16) for row in tables.attributes() if row.tag.isalnum() and "x" not in row.tag and "g" not in row.tag
)
MARK: Final = re.compile(rb"CNR\d{6}Y", re.IGNORECASE)


def files() -> list[Path]:
    """Every file of the pydicom and pydicom-data wheels that may be DICOM; nothing is downloaded."""
    found = importlib.util.find_spec("data_store")
    assert found is not None
    assert found.origin is not None
    folders = (Path(pydicom.data.__file__).parent, Path(found.origin).parent)
    return sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in NO_DICOM and "palettes" not in path.parts
    )


def read(source: Path | bytes) -> Dataset:
    """The dataset with every element decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(BytesIO(source) if isinstance(source, bytes) else source, force=True)
        list(data.iterall())
    return data


class Canaries:
    """What was planted: the bytes that must be gone, and those of short labels, which may stay."""

    def __init__(self) -> None:
        self.gone: dict[bytes, str] = {}
        self.may_stay: dict[bytes, str] = {}

    def add(self, canary: str, tag: int, vr: str, name: str) -> None:
        """Note one."""
        private = tag >> 16 & 1
        labels = (vr in SHORT_VRS or tag in CODE_NAMES) and tag not in LISTED and not private
        (self.may_stay if labels else self.gone)[canary.encode()] = f"{tag:08X} {name}"

    def found_in(self, content: bytes) -> list[str]:
        """Where what must be gone came from, for everything that stands in the bytes in any case or encoding."""
        narrow = content.replace(b"\0", b"").upper()
        marks = {found.group().upper() for found in MARK.finditer(content)} | set(MARK.findall(narrow))
        dates = {canary for canary in self.gone if not canary.startswith(b"CNR") and canary in content}
        return sorted(self.gone[mark] for mark in marks | dates if mark in self.gone)


def planted(path: Path) -> tuple[bytes, Canaries] | None:
    """The file with canaries; None when pydicom cannot read or write it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data, canaries = read(path), Canaries()
            _plant(data, count(1), canaries)
            buffer = BytesIO()
            data.save_as(buffer)
        except (AttributeError, ValueError, TypeError, KeyError, NotImplementedError, OSError):
            return None
    return buffer.getvalue(), canaries


def _plant(data: Dataset, numbers: Iterator[int], canaries: Canaries) -> None:
    for element in data.iterall():
        number, tag = next(numbers), int(element.tag)
        if tag in (0x00080005, 0x00080016) or tag >> 16 in (0, 2) or element.tag.is_private_creator:
            continue
        canary = f"CNR{number:06}Y"
        if element.VR in TEXT_VRS:
            element.value = canary
        elif element.VR == "UI" and element.value and str(element.value) not in UID_dictionary:
            canary = element.value = f"1.2.826.0.{number}.19551231"
        elif element.VR in ("DA", "DT"):
            canary = element.value = f"{date(1610, 1, 1) + timedelta(number):%Y%m%d}"
        elif element.tag.is_private and element.VR in ("OB", "UN"):
            element.value = canary.encode()
        else:
            continue
        canaries.add(canary, tag, element.VR, element.keyword)


def numbers_of(data: Dataset) -> dict[int, object]:
    """Top-level numbers that describe the picture: the table lists none of them, so all of them stay."""
    return {
        int(element.tag): element.value
        for element in data
        if element.VR in ("DS", "IS", "US", "SS", "UL", "SL", "FL", "FD")
        and element.keyword
        and int(element.tag) not in LISTED
        and element.tag.group in (0x0018, 0x0020, 0x0028)
        and element.tag.element
        and not isinstance(element.value, str)
    }
