"""The folder tree under FIONA_DATA, and the one way in which anything is written to it.

`archive/scp_<StudyInstanceUID>/` holds the files, `raw/`, `participants/` and `srs/` hold links to them as
the original's layout does, `anonymized/` holds what is on its way out, `review/` what a reviewer is shown of pixels,
`exports/` what a PI may download.
All paths that leave this module are relative to the root, so that the tree can be mounted elsewhere.
"""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def valid_uid(uid: str) -> bool:
    """A UID as PS3.5 §9.1 allows it, but for leading zeros in a component, which real devices send."""
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None


class Store:
    """Deterministic places for everything on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __truediv__(self, relative: str) -> Path:
        """The absolute path of a store-relative one; one that would lead out of the store is an error."""
        path = self.root / relative
        if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(self.root)):
            raise ValueError("path leads out of the store")
        return path

    @staticmethod
    def instance(study_uid: str, sop_uid: str) -> str:
        """Where an instance is kept."""
        return f"archive/scp_{study_uid}/{sop_uid}.dcm"

    @staticmethod
    def conflict(study_uid: str, sop_uid: str, digest: str) -> str:
        """Where other bytes under a SOP Instance UID that is already taken are kept."""
        return f"archive/scp_{study_uid}/{sop_uid}.{digest[:16]}.conflict.dcm"

    @staticmethod
    def raw_series(study_uid: str, series_uid: str) -> str:
        """The folder of links to a series; its description is the same path with `.json`."""
        return f"raw/{study_uid}/{series_uid}"

    @staticmethod
    def anonymized(transfer: str, series_uid: str, revision: int) -> str:
        """The folder of a part of a transfer, until every destination has it."""
        return f"anonymized/{transfer}/{series_uid}.{revision}"

    @staticmethod
    def findings(transfer: str, series_uid: str, revision: int, sop_uid: str) -> str:
        """What was found in an instance's pixels, for a reviewer: this with `.json`, `.after.png` and `.sealed`.

        The series is the source's, the instance the de-identified one.
        """
        return f"review/{transfer}/{series_uid}/{revision}/{sop_uid}"

    @staticmethod
    def export(project: str, export: str) -> str:
        """A project's data in one file, for its PI."""
        return f"exports/{project}/{export}.zip"

    def write(self, relative: str, content: bytes) -> None:
        """Write a whole file: temporary name, fsync, rename, fsync of the folder."""
        target = self / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(target.parent)

    def link(self, relative: str, to: str) -> None:
        """Make a relative symbolic link inside the store; one that is already there is left alone."""
        place = self / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            place.symlink_to(os.path.relpath(self / to, place.parent))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
