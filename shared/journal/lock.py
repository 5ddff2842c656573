"""A process's folder in the journal, locked for its life: the kernel lets go of it even at kill -9."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self
from uuid import uuid4

from shared.store import sync_folder

_NAME = "lock"


class LockedFolder:
    """A folder that nobody else who asks for its lock can have."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, parent: Path, owner: str) -> Self:
        """A new one: it appears under its name with the lock already held."""
        parent.mkdir(parents=True, exist_ok=True)
        name = f"{owner}-{uuid4().hex[:12]}"
        hidden = parent / f".{name}"
        hidden.mkdir()
        descriptor = os.open(hidden / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = parent / name
        os.rename(hidden, path)
        for folder in (path, parent, parent.parent):
            sync_folder(folder)
        return cls(path, descriptor)

    @classmethod
    def orphan(cls, path: Path) -> Self | None:
        """Take over a dead process's folder; None when its owner lives or somebody else was quicker.

        Who lives has a lock from the beginning: a folder without one comes from a backup, which copies none.
        """
        try:
            descriptor = os.open(path / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(path / _NAME)):
                return cls(path, descriptor)
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return None

    def folders(self) -> Iterator[Path]:
        """The associations' folders in it."""
        yield from sorted(path for path in self.path.iterdir() if path.is_dir())

    def release(self) -> None:
        """Let go of it; what it still holds is now an orphan, and an empty one vanishes."""
        if self._descriptor >= 0:
            if not any(self.folders()):
                with suppress(OSError):
                    os.unlink(self.path / _NAME)
                    os.rmdir(self.path)
            os.close(self._descriptor)
            self._descriptor = -1
