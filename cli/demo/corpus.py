"""Which files the demo sends: those that ship inside the pydicom wheel, and a folder of more beside the clone."""

from pathlib import Path

from cli.dicom.files import Sendable, Skipped, files, look

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
"""More DICOM, if there is any."""


def bundled() -> Path:
    """The folder of pydicom's test files; nothing is downloaded."""
    import pydicom

    return Path(pydicom.__file__).parent / "data" / "test_files"


def corpus(bundled_only: bool) -> tuple[list[Sendable], list[Skipped]]:
    """What can be offered by C-STORE, and what cannot."""
    folders = [bundled()]
    if not bundled_only and BESIDE.is_dir():
        folders.append(BESIDE)
    found = [look(path) for path in files(folders)]
    return (
        [file for file in found if isinstance(file, Sendable)],
        [file for file in found if isinstance(file, Skipped)],
    )
