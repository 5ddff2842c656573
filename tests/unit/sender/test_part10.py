"""Where the dataset begins, in files of every kind that pydicom ships."""

import os
from pathlib import Path

import pytest
from pydicom.filereader import _read_file_meta_info as read_meta
from pydicom.filereader import read_preamble

from shared.scu.part10 import NotDicom, dataset_start
from tests.unit.sender.builders import BUNDLED, LOSSLESS, LOSSY, PLAIN


def start_of(path: Path) -> int:
    file = os.open(path, os.O_RDONLY)
    try:
        return dataset_start(file)
    finally:
        os.close(file)


@pytest.mark.parametrize("name", [*PLAIN, *LOSSLESS, *LOSSY, "no_meta_group_length.dcm", "693_J2KI.dcm"])
def test_agrees_with_pydicom(name: str) -> None:
    with (BUNDLED / name).open("rb") as file:
        read_preamble(file, force=False)
        read_meta(file)
        expected = file.tell()
    assert start_of(BUNDLED / name) == expected


@pytest.mark.parametrize(
    "content", [b"", b"x" * 50, b"x" * 500, bytes(128) + b"DICM", bytes(128) + b"DICM\x08\x00" + bytes(9)]
)
def test_says_what_is_no_dicom_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(NotDicom):
        start_of(tmp_path / "file")
