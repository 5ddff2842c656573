"""The entries of an association's folder, read back: after a crash, or when memory was too small for them."""

import os
import re
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from shared.dicom.encoding import Unparsable
from shared.dicom.filemeta import read_meta
from shared.journal.archive import claim
from shared.journal.judge import judge_dataset
from shared.journal.outcome import Outcome, Record
from shared.store import Store

_OWED = re.compile(r"(\d{8,})\.(\d+)\.owed")
_PUBLISHED = re.compile(r"(\d{8,})\.published")


class Entry(NamedTuple):
    """An owed instance by its file's name."""

    number: int
    size: int
    path: Path


class Entries(NamedTuple):
    """A folder at a glance: how far the bus is, what it is still owed, and what was never acknowledged."""

    published: int
    owed: list[Entry]
    drafts: list[Path]


def entries(folder: Path) -> Entries:
    """List a folder, the owed in order; `drafts` may be deleted once nobody writes there any more."""
    published = 0
    owed: list[Entry] = []
    drafts: list[Path] = []
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if match := _PUBLISHED.fullmatch(name):
            published = max(published, int(match[1]))
        elif match := _OWED.fullmatch(name):
            owed.append(Entry(int(match[1]), int(match[2]), path))
        elif name.endswith(".part") or name.startswith("."):
            drafts.append(path)
    return Entries(published, owed, drafts)


def read_entry(store: Store, entry: Entry) -> Record | None:
    """The record of an entry, in its place in the archive; None when it is a duplicate or cannot be read.

    A duplicate's entry is deleted here; one that cannot be read stays.
    """
    try:
        with entry.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            meta = read_meta(content)
            request = meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid
            found = judge_dataset(content, meta.dataset, *request)
    except (Unparsable, ValueError):
        return None
    if isinstance(found, Outcome):
        return None
    place = claim(store, entry.path, found.study_instance_uid, found.sop_instance_uid)
    if place.taken and not place.mine:
        entry.path.unlink()
        return None
    return Record(
        entry.number,
        entry.path.name,
        found.study_instance_uid,
        found.series_instance_uid,
        found.sop_instance_uid,
        found.sop_class_uid,
        meta.transfer_syntax_uid,
        place.path,
        entry.size,
        place.conflict,
    )
