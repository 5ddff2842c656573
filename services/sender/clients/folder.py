"""A folder as destination: <StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm, whole files only."""

import errno
import filecmp
import os
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from services.sender.clients.protocol import Answer, Found, Leaving, Outgoing, Withdrawn
from services.sender.threads import in_thread
from shared.scu import Unavailable
from shared.scu.statuses import OTHER_BYTES, SUCCESS
from shared.store import sync_folder

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""How file systems say that they have no hard links."""


class FolderClient:
    """A file that is there with the same bytes is as good as copied, one with others is never touched."""

    def __init__(self, root: Path, batch_seconds: float = 0.5) -> None:
        self._root = root
        self._batch_seconds = batch_seconds

    async def send(self, instances: Sequence[Outgoing]) -> AsyncGenerator[list[Answer], None]:
        """Copy them; a batch is answered when its folders too are on disk."""
        yield []
        waiting = iter(instances)
        while answers := await in_thread(self._some, waiting):
            yield answers

    async def count(self, study: str, series: str) -> Found | None:
        """The names in the series' folder."""
        return await in_thread(self._names, study, series)

    async def withdraw(self, instances: Sequence[Leaving]) -> Withdrawn | None:
        """Remove the files that are ours, and folders that are empty then."""
        return await in_thread(self._remove, instances)

    def _remove(self, instances: Sequence[Leaving]) -> Withdrawn:
        folders = set()
        for each in instances:
            folder = self._root / each.study_instance_uid / each.series_instance_uid
            target = folder / f"{each.sop_instance_uid}.dcm"
            try:
                if not target.exists() or (each.file and each.file.exists() and _compare(each.file, target) != SUCCESS):
                    continue
                target.unlink()
            except OSError as error:
                raise Unavailable(f"the folder cannot be written: {error.strerror}") from error
            folders.add(folder)
        for folder in folders:
            sync_folder(folder)
            with suppress(OSError):  # not empty
                folder.rmdir()
                folder.parent.rmdir()
        return Withdrawn(0)

    def _some(self, waiting: Iterator[Outgoing]) -> list[Answer]:
        until = time.monotonic() + self._batch_seconds
        answers: list[Answer] = []
        folders: set[Path] = set()
        for instance in waiting:
            instance.file.stat()  # a source that is missing is no fault of the destination
            try:
                folder = self._folder(instance.study_instance_uid, instance.series_instance_uid)
                status = _copy(instance.file, folder, f"{instance.sop_instance_uid}.dcm")
            except OSError as error:
                raise Unavailable(f"the folder cannot be written: {error.strerror}") from error
            answers.append(Answer(instance.sop_instance_uid, status))
            folders.add(folder)
            if time.monotonic() > until:
                break
        for folder in folders:
            for each in (folder, folder.parent, self._root):
                sync_folder(each)
        return answers

    def _folder(self, study: str, series: str) -> Path:
        folder = self._root / study / series
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _names(self, study: str, series: str) -> Found:
        names = frozenset(path.stem for path in (self._root / study / series).glob("*.dcm"))
        return Found(names, len(names))


def _copy(source: Path, folder: Path, name: str) -> int:
    """Copy under a temporary name, fsync, then give it its name unless that is taken; the status."""
    target = folder / name
    if target.exists():
        return _compare(source, target)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
    try:
        with os.fdopen(handle, "wb") as out, source.open("rb") as file:
            shutil.copyfileobj(file, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, 0o644)
        try:
            os.link(temporary, target)
        except FileExistsError:
            return _compare(source, target)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            os.rename(temporary, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    return SUCCESS


def _compare(source: Path, target: Path) -> int:
    return SUCCESS if filecmp.cmp(source, target, shallow=False) else OTHER_BYTES
