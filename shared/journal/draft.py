"""One instance on its way to being acknowledged; until then it can vanish without a trace."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from errno import ENOSPC
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING

from shared.dicom.encoding import Buffer
from shared.dicom.filemeta import write_meta
from shared.dicom.scan import Scan
from shared.journal.archive import Place, claim, find_place
from shared.journal.judge import judge_dataset, judge_request
from shared.journal.outcome import Kind, Outcome, Record, Refusal, refused
from shared.switchable import Switch
from shared.volume import volume_of

if TYPE_CHECKING:
    from shared.journal.association import Association

_MOST_BUFFERS = 1000
"""A writev takes at most IOV_MAX (1024) buffers."""

_WINDOW = 128 << 10


class Draft:
    """`write` the dataset's fragments, then `commit` or `discard`; no method raises OSError.

    A disk that fails while fragments still come in is remembered, so that the sender can be answered properly
    once it has sent the rest.
    """

    def __init__(
        self, association: "Association", sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str
    ) -> None:
        self._association = association
        self._request = sop_class_uid, sop_instance_uid, transfer_syntax_uid
        self._descriptor = -1
        self._size = 0
        self._start = 0
        self._sent_off = 0
        self._meta = b""
        self._file: Path | None = None
        self._refused = judge_request(*self._request)
        if not association.journal.switches.is_on(Switch.RECEIVE):
            self._refused = refused(Refusal.OUT_OF_RESOURCES, "receiving is switched off")
        if self._refused is None:
            self._guard(self._create)

    def write(self, fragments: Sequence[Buffer]) -> None:
        """Append to the dataset without copying."""
        if self._refused is None:
            self._guard(lambda: self._append(fragments))

    def commit(self) -> Outcome:
        """Prove it, make it durable, give it its place: when this says kept, it stays whatever happens."""
        if self._refused is None:
            try:
                return self._commit()
            except OSError as error:
                self._refused = refused(Refusal.OUT_OF_RESOURCES, error.strerror or "")
            finally:
                self._close()
        self.discard()
        assert self._refused is not None  # noqa: S101  what is so here, said to mypy
        return self._refused

    def discard(self) -> None:
        """Leave nothing behind."""
        self._close()
        if self._file is not None:
            with suppress(OSError):
                os.unlink(self._file)
            self._file = None

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as error:
            self._refused = refused(Refusal.OUT_OF_RESOURCES, error.strerror or "")
            self.discard()

    def _create(self) -> None:
        volume = volume_of(self._association.journal.store.root)
        if volume.free < volume.last:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._file, self._descriptor = self._association.new_file()
        facts = self._association.facts
        self._meta = write_meta(*self._request, facts.calling_aet, facts.called_aet)
        self._start = len(self._meta)

    def _append(self, fragments: Sequence[Buffer]) -> None:
        if not self._size:
            fragments = [self._meta, *fragments]
        for first in range(0, len(fragments), _MOST_BUFFERS):
            some = fragments[first : first + _MOST_BUFFERS]
            asked = sum(map(len, some))
            done = os.writev(self._descriptor, some)
            if done != asked:
                # The kernel takes part of a call when a disk is nearly full; the rest tells why.
                rest = memoryview(b"".join(some))[done:]
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            self._size += asked
        if self._size - self._sent_off >= _WINDOW:
            self._send_off()

    def _send_off(self) -> None:
        """Have the kernel begin writing to the disk while the rest comes in, so that little is left for the fsync."""
        os.posix_fadvise(self._descriptor, self._sent_off, self._size - self._sent_off, os.POSIX_FADV_DONTNEED)
        self._sent_off = self._size

    def _commit(self) -> Outcome:
        assert self._file is not None  # noqa: S101  what is so here, said to mypy
        if not self._size:
            self._append([])
        with mmap(self._descriptor, self._size, access=ACCESS_READ) as content:
            self._send_off()
            found = judge_dataset(content, self._start, *self._request)
        if isinstance(found, Outcome):
            self.discard()
            return found
        store = self._association.journal.store
        identity = found.study_instance_uid, found.sop_instance_uid
        place = find_place(store, self._file, *identity)
        if place.taken:
            return self._drop()
        number = self._association.next_number
        owed = self._file.with_name(f"{number:08d}.{self._size}.owed")
        # The name carries the size, so the name may become durable before the content: see the ADR.
        os.rename(self._file, owed)
        self._file = owed
        os.fsync(self._descriptor)
        self._association.sync()
        place = claim(store, owed, *identity)
        if place.taken and not place.mine:
            return self._drop()
        record = self._record(found, owed.name, place)
        self._file = None
        self._association.keep(record)
        return Outcome(Kind.CONFLICT if place.conflict else Kind.KEPT, record)

    def _drop(self) -> Outcome:
        self.discard()
        return Outcome(Kind.DUPLICATE)

    def _record(self, found: Scan, entry: str, place: Place) -> Record:
        return Record(
            self._association.next_number,
            entry,
            found.study_instance_uid,
            found.series_instance_uid,
            found.sop_instance_uid,
            found.sop_class_uid,
            self._request[2],
            place.path,
            self._size,
            place.conflict,
        )

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
