"""One part on its way into the journal: its File Meta is read first, then its dataset goes to disk as it comes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import TypeVar

from shared.dicom.encoding import Unparsable
from shared.dicom.filemeta import FileMeta, read_meta
from shared.dicom.scan import scan
from shared.journal import Association, Draft, Kind, Outcome, Refusal
from shared.journal.outcome import refused

META_FIRST_LOOK = 4 * 1024
META_BYTES = 1024 * 1024
"""A File Meta that is longer is none."""
WRITE_BYTES = 1024 * 1024
"""Gathered before a thread is asked to write."""

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """What became of a part, and as much of its name as could be read."""

    outcome: Outcome
    sop_class_uid: str = ""
    sop_instance_uid: str = ""


async def in_thread(function: Callable[[], T]) -> T:
    """Run in a thread; a cancelled request waits for it, since nothing may be discarded under its hands."""
    task = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class Part:
    """`write` what comes, then `finish` or `abandon`."""

    def __init__(self, association: Association, study_uid: str | None, most: int) -> None:
        self._association = association
        self._study_uid = study_uid
        self._most = most
        self._size = 0
        self._gathered: list[bytes] = []
        self._waiting = 0
        self._look_at = META_FIRST_LOOK
        self._meta: FileMeta | None = None
        self._draft: Draft | None = None
        self._refused: Outcome | None = None

    async def write(self, data: bytes) -> None:
        """Some more of it; what is refused already is let go."""
        self._size += len(data)
        if self._refused is not None:
            return
        self._gathered.append(data)
        self._waiting += len(data)
        if self._draft is None and self._waiting >= self._look_at:
            await self._open(whole=False)
        if self._size > self._most:
            await self.abandon()
            self._refused = refused(Refusal.OUT_OF_RESOURCES, "larger than a part may be")
        elif self._draft is not None and self._waiting >= WRITE_BYTES:
            await self._write()

    async def finish(self) -> Stored:
        """All of it was there: kept, and on disk, or refused."""
        if self._draft is None and self._refused is None:
            await self._open(whole=True)
        if self._draft is not None and self._refused is None:
            await self._write()
            if not await in_thread(self._is_of_the_study):
                await self.abandon()
                self._refused = refused(Refusal.STUDY_INSTANCE_UID, "not of the study that the path names")
        if self._refused is not None or self._draft is None:
            outcome = self._refused or refused(Refusal.PROCESSING_FAILURE)
        else:
            outcome = await in_thread(self._draft.commit)
            self._draft = None
        names = (self._meta.sop_class_uid, self._meta.sop_instance_uid) if self._meta else ("", "")
        return Stored(outcome, *names)

    async def abandon(self) -> None:
        """Leave nothing behind."""
        self._gathered, self._waiting = [], 0
        if self._draft is not None:
            await in_thread(self._draft.discard)
            self._draft = None

    async def _open(self, whole: bool) -> None:
        """Begin the draft once the File Meta is there; `whole`: no more will come."""
        head = b"".join(self._gathered)
        self._gathered = [head]
        try:
            meta = read_meta(head)
            # Fewer bytes than an element's header: the next one may still belong to the File Meta.
            unsure = len(head) - meta.dataset < 8
        except Unparsable as error:
            meta, unsure, why = None, True, error.reason
        if unsure and not whole and len(head) < META_BYTES and head[128:132] == b"DICM":
            self._look_at = len(head) * 2
            return
        if meta is None:
            self._gathered, self._waiting = [], 0
            self._refused = refused(Refusal.UNPARSABLE, why)
            return
        self._meta = meta
        self._gathered, self._waiting = [head[meta.dataset :]], len(head) - meta.dataset
        self._draft = await in_thread(
            lambda: self._association.begin(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid)
        )

    async def _write(self) -> None:
        fragments, self._gathered, self._waiting = self._gathered, [], 0
        draft = self._draft
        assert draft is not None  # noqa: S101  what is so here, said to mypy
        await in_thread(lambda: draft.write(fragments))

    def _is_of_the_study(self) -> bool:
        """True also for what the journal will refuse anyway, for its own and better reason."""
        if self._study_uid is None or self._draft is None:
            return True
        # `commit` would look at the dataset and keep it in one go.
        file = self._draft._file
        if file is None:
            return True
        try:
            with file.open("rb") as handle, mmap(handle.fileno(), 0, access=ACCESS_READ) as content:
                meta = read_meta(content)
                found = scan(content, meta.transfer_syntax_uid, meta.dataset)
        except (OSError, ValueError, Unparsable):
            return True
        return found.study_instance_uid in (self._study_uid, "")


KEPT = (Kind.KEPT, Kind.DUPLICATE, Kind.CONFLICT)
