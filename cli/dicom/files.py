"""What can be sent: a file's UIDs and transfer syntax, by one walk over its bytes that decodes nothing."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

from shared.dicom.encoding import Unparsable
from shared.dicom.filemeta import FileMeta, read_meta
from shared.dicom.scan import Scan, scan
from shared.store import valid_uid

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True)
class Sendable:
    """A file as C-STORE names it; study_instance_uid is empty when there is none, or the dataset is not whole."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    size: int
    digest: str
    dataset: int
    """Where in the file the dataset begins."""


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be offered to anybody."""

    path: Path
    reason: str


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that paths stand for: themselves, or all below a folder, in order."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, below, names in os.walk(path):
            below.sort()
            yield from (Path(folder, name) for name in sorted(names))


def look(path: Path) -> Sendable | Skipped:
    """See what a file is."""
    try:
        if path.stat().st_size == 0:
            return Skipped(path, "empty")
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            return _look(path, content)
    except Unparsable as error:
        return Skipped(path, error.reason)
    except OSError as error:
        return Skipped(path, error.strerror or type(error).__name__)


def _look(path: Path, content: mmap) -> Sendable | Skipped:
    meta = read_meta(content)
    if meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        return Skipped(path, "a DICOMDIR")
    found = _scan(content, meta)
    sop_class, sop_instance = (
        found.sop_class_uid or meta.sop_class_uid,
        found.sop_instance_uid or meta.sop_instance_uid,
    )
    if not sop_class or not sop_instance:
        return Skipped(path, "no SOP Class or SOP Instance UID")
    if not all(map(valid_uid, (sop_class, sop_instance, meta.transfer_syntax_uid))):
        return Skipped(path, "a UID that is none")
    digest = sha256(meta.transfer_syntax_uid.encode())
    with memoryview(content) as view, view[meta.dataset :] as dataset:
        digest.update(dataset)
    return Sendable(
        path, sop_class, sop_instance, meta.transfer_syntax_uid, found.study_instance_uid, len(content),
        digest.hexdigest(), meta.dataset,
    )  # fmt: skip


def _scan(content: mmap, meta: FileMeta) -> Scan:
    """The dataset's own UIDs; none when it is not whole: whether that is refused is the peer's to say."""
    try:
        return scan(content, meta.transfer_syntax_uid, meta.dataset)
    except Unparsable:
        return Scan("", "", "", "")
