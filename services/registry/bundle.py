"""A project in one ZIP file: images, tables, profiles, and a manifest with a SHA-256 of each; whole or not there."""

import csv
import io
import json
import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Final

from services.registry.held import Held
from shared.spreadsheet import MARK, cell
from shared.store import Store, sync_folder

CHUNK: Final = 1 << 20
UNSAFE: Final = re.compile(r"[^\w-]")
"""What stays out of the names of folders: all but letters, of any alphabet, and digits."""
FORMAT: Final = "fiona project export 1"
Table = tuple[Sequence[str], Iterable[Sequence[Any]]]
"""Heads and rows."""


@dataclass(frozen=True)
class Bundle:
    """A file that was written."""

    sha256: str
    size: int
    instances: int


def write_bundle(
    target: Path,
    store: Store,
    about: Mapping[str, Any],
    texts: Mapping[str, str],
    tables: Mapping[str, Table],
    instances: Sequence[Held],
) -> Bundle:
    """Write it; an older one of the name is replaced. `about` becomes the head of manifest.json. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    try:
        with draft.open("w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                _fill(archive, store, about, texts, tables, instances)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
            file.seek(0)
            digest = file_digest(file, "sha256").hexdigest()
        os.rename(draft, target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    sync_folder(target.parent)
    return Bundle(digest, size, len(instances))


def _fill(
    archive: zipfile.ZipFile,
    store: Store,
    about: Mapping[str, Any],
    texts: Mapping[str, str],
    tables: Mapping[str, Table],
    instances: Sequence[Held],
) -> None:
    files = []
    for name, text in {**texts, **{name: _csv(table) for name, table in tables.items()}}.items():
        content = text.encode()
        archive.writestr(name, content)
        files.append({"path": name, "size": len(content), "sha256": sha256(content).hexdigest()})
    for instance in instances:
        name = place(instance)
        size, digest = _copy(archive, store / instance.path, name)
        files.append({"path": name, "size": size, "sha256": digest})
    manifest = {"format": FORMAT, **about, "files": files}
    archive.writestr("manifest.json", json.dumps(manifest, ensure_ascii=False, indent=1))
    archive.writestr("SHA256SUMS", "".join(f"{each['sha256']}  {each['path']}\n" for each in files))


def place(instance: Held) -> str:
    """Where an instance lies in the file; names of people's making become harmless ones, each another one."""
    where = folder(instance.participant) + _harmless(instance.event)
    return f"{where}/{instance.study_instance_uid}/{instance.series_instance_uid}/{instance.sop_instance_uid}.dcm"


def folder(participant: str) -> str:
    """Where all images of a participant lie in the file."""
    return f"images/{_harmless(participant)}/"


def _harmless(name: str) -> str:
    return UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)


def _copy(archive: zipfile.ZipFile, source: Path, name: str) -> tuple[int, str]:
    """Into the archive chunk by chunk: size and SHA-256 of what went in."""
    digest, size = sha256(), 0
    with source.open("rb") as file, archive.open(name, "w", force_zip64=True) as entry:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            entry.write(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _csv(table: Table) -> str:
    heads, rows = table
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(map(cell, row) for row in rows)
    return MARK + text.getvalue()
