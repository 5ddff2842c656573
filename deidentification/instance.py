"""One file in, one de-identified file out, or a refusal with its reason."""

import os
import re
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePath
from typing import Final

from deidentification.admission import admitted
from deidentification.dataset import carriers, uids
from deidentification.dataset.filemeta import file_meta
from deidentification.dataset.rewrite import Chunk, Walk
from deidentification.dataset.source import FIRST_READ, Source, opened
from deidentification.errors import CannotDeidentify, NeedMore
from deidentification.gate import gate, identity
from deidentification.pixels import copying as pixels
from deidentification.profiles.compiled import compiled
from deidentification.profiles.model import Profile
from deidentification.subject import Subject

COMMITTERS: Final = 8
_UNIQUE: Final = count()
NO_MODALITY: Final = "OT"
MODALITY: Final = re.compile(rb"[A-Z0-9]{2,16}")


@dataclass(frozen=True)
class Deidentified:
    """What was written: the new identity, where, how large, and how often each action code was applied."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    path: PurePath
    size: int
    actions: dict[str, int] = field(compare=False)


@dataclass(frozen=True)
class Names:
    """What a layout may build a path from: nothing of the source but its modality."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    modality: str


Layout = Callable[[Names], PurePath]


def by_series(names: Names) -> PurePath:
    """`<SeriesInstanceUID>/<Modality>.<SOPInstanceUID>.dcm`."""
    return PurePath(names.series_instance_uid, f"{names.modality}.{names.sop_instance_uid}.dcm")


@dataclass(frozen=True, slots=True)
class Held:
    """A result that is whole and verified under its temporary name, not yet known to be on disk."""

    result: Deidentified
    fd: int
    temporary: Path
    final: Path

    def commit(self) -> Deidentified:
        """fsync, then the final name; an older file of that name is replaced."""
        try:
            try:
                os.fsync(self.fd)
            finally:
                os.close(self.fd)
            self.temporary.rename(self.final)
        except BaseException:
            self.temporary.unlink(missing_ok=True)
            raise
        return self.result


def deidentify(
    source: Path, root: Path, subject: Subject, profile: Profile, layout: Layout = by_series
) -> Deidentified:
    """De-identify the file `source` into `root` at the path that `layout` gives.

    The result has its name only when it is whole, verified and on disk; an older one of that name is replaced.
    Raises CannotDeidentify when the source stays; OSError when the target cannot be written.
    """
    return hold(source, root, subject, profile, layout).commit()


def deidentify_all(
    sources: Iterable[Path], root: Path, subject: Subject, profile: Profile, layout: Layout = by_series
) -> Iterator[Deidentified | CannotDeidentify]:
    """`deidentify` for many files, one outcome each in their order; the disk syncs one while the next is made.

    An outcome is given only after its commit. Raises OSError when the target cannot be written.
    """
    pending: deque[Future[Deidentified] | CannotDeidentify] = deque()
    with ThreadPoolExecutor(COMMITTERS, "commit") as committers:
        for source in sources:
            try:
                pending.append(committers.submit(hold(source, root, subject, profile, layout).commit))
            except CannotDeidentify as refusal:
                pending.append(refusal)
            while len(pending) > 2 * COMMITTERS:
                yield _settled(pending.popleft())
        while pending:
            yield _settled(pending.popleft())


def _settled(outcome: Future[Deidentified] | CannotDeidentify) -> Deidentified | CannotDeidentify:
    return outcome if isinstance(outcome, CannotDeidentify) else outcome.result()


def hold(source: Path, root: Path, subject: Subject, profile: Profile, layout: Layout = by_series) -> Held:
    """Everything of `deidentify` but the commit, which the caller owes."""
    try:
        with opened(source) as file:
            return _deidentify(file, root, subject, profile, layout)
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, RecursionError) as problem:
        raise CannotDeidentify("malformed", f"the dataset cannot be walked ({type(problem).__name__})") from None


def _walked(source: Source, subject: Subject, profile: Profile) -> tuple[Walk, list[Chunk]]:
    """Walk the header, reading more of it when it turns out longer than what was read."""
    wanted = 0
    while True:
        walk = Walk(source.header(wanted), subject, compiled(profile))
        try:
            return walk, walk.top(source.syntax.encoding)
        except NeedMore as short:
            wanted = max(short.size + FIRST_READ, wanted * 4, 8 * FIRST_READ)


def _deidentify(source: Source, root: Path, subject: Subject, profile: Profile, layout: Layout) -> Held:
    encoding = source.syntax.encoding
    walk, chunks = _walked(source, subject, profile)
    sop_class = admitted(walk.captured)
    found = pixels.located(source, walk.pixels) if walk.pixels else None
    declared = walk.captured.get(identity.CHARACTER_SET)
    values, _ = carriers.carriers(subject, declared)
    inserted = carriers.inserted(subject, declared, profile, encoding)
    dataset = carriers.companions(encoding) | dict(chunks) | inserted
    new = {
        tag: uids.new_uid(subject.key, walk.captured[tag].strip(uids.PADDING))
        for tag in (identity.STUDY, identity.SERIES, identity.INSTANCE)
    }
    study, series, instance = (uid.decode() for uid in new.values())
    names = Names(study, series, instance, _modality(walk.captured))
    meta = file_meta(sop_class, new[identity.INSTANCE], source.syntax.uid)
    header = b"".join([meta, *(chunk for _, chunk in sorted(dataset.items()))])
    wanted = gate.needles(
        walk.identifying,
        (*values.values(), *new.values(), profile.name.encode()),
        walk.written_dates,
        declared or b"",
    )
    relative = layout(names)
    final = root / relative
    fd, temporary, size = _write(
        final, header, found, source,
        lambda written: gate.verify(written, len(meta), encoding, {**values, **new}, wanted),
    )  # fmt: skip
    result = Deidentified(
        names.study_instance_uid,
        names.series_instance_uid,
        names.sop_instance_uid,
        sop_class.decode(),
        source.syntax.uid,
        names.modality,
        relative,
        size,
        dict(walk.counts),
    )
    return Held(result, fd, temporary, final)


def _modality(captured: dict[int, bytes]) -> str:
    modality = captured.get(identity.MODALITY, b"").strip(b"\0 ")
    return modality.decode() if MODALITY.fullmatch(modality) else NO_MODALITY


def _write(
    path: Path, header: bytes, found: pixels.Pixels | None, source: Source, verify: Callable[[bytes], None]
) -> tuple[int, Path, int]:
    """Header, kernel copy of the pixels and gate under a temporary name: descriptor, name and size of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{next(_UNIQUE)}.part")
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        _write_all(fd, header if found is None else header + found.header)
        if found is not None:
            pixels.copy(source, found, fd, len(header) + len(found.header))
        verify(os.pread(fd, len(header), 0))
        return fd, temporary, os.fstat(fd).st_size
    except BaseException:
        os.close(fd)
        temporary.unlink(missing_ok=True)
        raise


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
