"""Files without rows, rows without files: found study by study, said with what they mean, and healed on the road.

Nothing is ever deleted here. A file without a row is announced as if it had just been received: the indexer reads it,
and all that follows is as always. A row without a file is told to the indexer, which notes that the file is gone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.janitor.orphans import orphans
from services.janitor.plan import Cursor, Finding, Page, Plan, Tools
from services.janitor.retention.folders import names
from services.janitor.retention.links import count_stale
from shared import heartbeat
from shared.events import Event, RetentionEnded, RetentionLimits
from shared.recovery.archive import announced
from shared.retention import links, removals
from shared.retention.facts import facts_of_studies
from shared.retention.whole import OVER, StudyFacts, why_kept
from shared.store import Store, valid_uid
from shared.tables import Heartbeat, Instance, InstanceConflict, Study, Transfer, TransferPart
from shared.tables.base import now

AWAY: Final = "archive/.removed"
AT_ANY_AGE: Final = RetentionLimits(min_days=0, counted=True)
WAITS: Final = ("it is recent",)
INDEXED: Final = "announced to the indexer"
NOTED: Final = "noted by the indexer: the files are gone"
LEFT: Final = "nothing is lost: a policy removed them on {:%Y-%m-%d}; the database is of a day before"


@dataclass(frozen=True)
class OnDisk:
    """A file of a study's folder."""

    size: int
    written_at: float
    owed: bool
    """A journal holds it, too: it is on its way."""


@dataclass
class Compared:
    """What of a study fits together, and what does not: store-relative paths."""

    strangers: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    other_size: list[str] = field(default_factory=list)
    revenants: list[str] = field(default_factory=list)
    """Files of rows that say that they are gone."""
    passed_over: int = 0
    """Files that would be one of these if they were not young or owed."""


@dataclass(frozen=True)
class Row:
    """What the catalogue says of a file; None: of bytes that are kept beside others, it says nothing."""

    size: int | None
    removed: bool = False


def compare(rows: Mapping[str, Row], files: Mapping[str, OnDisk], young: float) -> Compared:
    """Hold rows against files; what was written since `young`, or is owed, may still be on its way."""
    found = Compared()
    for path, file in files.items():
        row = rows.get(path)
        fits = row is not None and not row.removed and row.size in (None, file.size)
        if file.owed or file.written_at >= young:
            found.passed_over += not fits
        elif row is None:
            found.strangers.append(path)
        elif row.removed:
            found.revenants.append(path)
        elif row.size not in (None, file.size):
            found.other_size.append(path)
    found.missing = [path for path, row in rows.items() if not row.removed and path not in files]
    return found


async def studies(tools: Tools, cursor: Cursor, report: bool) -> Page:
    """All studies of the catalogue, in the order of their UIDs."""
    query = select(Study.study_instance_uid).where(Study.study_instance_uid > cursor.get("after", ""))
    async with tools.database.reading() as session:
        uids = list(await session.scalars(query.order_by(Study.study_instance_uid).limit(tools.settings.page)))
        rows = await _rows(session, uids)
        facts = {each.study_instance_uid: each for each in await facts_of_studies(session, uids)}
    young = now().timestamp() - tools.settings.young_seconds
    found: dict[str, Compared] = {}
    files = young_ones = 0
    for uid in uids:
        there = await asyncio.to_thread(on_disk, tools.store, uid)
        files += len(there)
        found[uid] = compare(rows.get(uid, {}), there, young)
        young_ones += found[uid].passed_over
    lacking = [uid for uid, each in found.items() if each.missing]
    seen_first = min((facts[uid].seen_at for uid in lacking if uid in facts), default=None)
    left_at = await asyncio.to_thread(removals.last, tools.store, removals.ARCHIVE, lacking, seen_first)
    findings: list[Finding] = []
    for uid, each in found.items():
        left = left_at.get(uid)
        left = left if left is not None and uid in facts and facts[uid].seen_at < left else None
        findings += await asyncio.to_thread(_findings, tools.store, uid, each, facts.get(uid), report, left)
    after = {"after": uids[-1]} if len(uids) == tools.settings.page else None
    return Page(findings=findings, cursor=after, counts={"studies": len(uids), "files": files, "young": young_ones})


async def folders(tools: Tools, cursor: Cursor, report: bool) -> Page:
    """Folders of the archive of which the catalogue has no study, and which are of no heartbeat under way."""
    found = await asyncio.to_thread(_folders, tools.store, cursor.get("after", ""), tools.settings.page)
    uids = [name.removeprefix("scp_") for name in found]
    async with tools.database.reading() as session:
        known = set(await session.scalars(select(Study.study_instance_uid).where(Study.study_instance_uid.in_(uids))))
        rows = await _rows(session, uids)
        under_way = await session.scalars(select(Heartbeat.id).where(Heartbeat.outcome == ""))
        known |= {heartbeat.uids(each).study for each in under_way}
    young = now().timestamp() - tools.settings.young_seconds
    findings: list[Finding] = []
    young_ones = 0
    for uid in uids:
        if uid in known:
            continue
        compared = compare(rows.get(uid, {}), await asyncio.to_thread(on_disk, tools.store, uid), young)
        young_ones += compared.passed_over
        findings += await asyncio.to_thread(_findings, tools.store, uid, compared, None, report)
    after = {"after": found[-1]} if len(found) == tools.settings.page else None
    return Page(findings=findings, cursor=after, counts={"folders": len(found), "young": young_ones})


async def transfers(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """Transfers under way whose de-identified files are not there."""
    query = (
        select(Transfer.id, Transfer.study_instance_uid, TransferPart.series_instance_uid, TransferPart.revision)
        .join(TransferPart, TransferPart.transfer == Transfer.id)
        .where(
            Transfer.state.not_in((*OVER, "quarantined")),
            TransferPart.anonymized > 0,
            TransferPart.delivered.is_(None),
        )
        .distinct()
    )
    async with tools.database.reading() as session:
        parts = (await session.execute(query)).all()
    findings = []
    for id, study, series, revision in parts:
        manifest = tools.store / f"{tools.store.anonymized(id, series, revision)}/manifest.json"
        if not await asyncio.to_thread(manifest.is_file):
            meaning = f"transfer {id} cannot go on: cancel it, then send the study again (fiona cancel, fiona resend)"
            findings.append(Finding("deidentified_missing", f"{id}/{series}.{revision}", meaning, study))
    return Page(findings=findings, counts={"parts": len(parts)})


async def remains(tools: Tools, _: Cursor, report: bool) -> Page:
    """What was begun and not ended: removals, entries of the journal that cannot be read."""
    findings = []
    for name in await asyncio.to_thread(names, tools.store, AWAY):
        uid = name.removeprefix("scp_")
        asked = RetentionEnded(run=f"doctor-{now():%Y%m%dT%H%M%S}", kind="archive", subject=uid, before=now())
        findings.append(
            Finding(
                "removal_unfinished",
                f"{AWAY}/{name}",
                "a removal was interrupted; its message is dead or still to come",
                uid,
                healing="" if report else "asked for again",
                events=() if report else (asked,),
            )
        )
    unreadable = await asyncio.to_thread(lambda: list((tools.store / "journal/.unreadable").glob("*")))
    if unreadable:
        meaning = "acknowledged and not readable any more: ask the senders for their studies again"
        findings.append(Finding("journal_unreadable", "journal/.unreadable", meaning, number=len(unreadable)))
    return Page(findings=findings)


async def stale(tools: Tools, cursor: Cursor, report: bool) -> Page:
    """Links that lead nowhere, by part of a tree."""
    start, before = cursor.get("part", 0), now()
    findings = []
    for part in links.PARTS[start : start + 16]:
        found = await asyncio.to_thread(count_stale, tools.store, part, before)
        if number := found["links"]:
            asked = RetentionEnded(run=f"doctor-{before:%Y%m%dT%H%M%S}", kind="links", subject=part, before=before)
            findings.append(
                Finding(
                    "links_stale",
                    part,
                    "they lead nowhere; the janitor removes them when it may",
                    number=number,
                    healing="" if report else "asked for",
                    events=() if report else (asked,),
                )
            )
    return Page(findings=findings, cursor={"part": start + 16} if start + 16 < len(links.PARTS) else None)


EXAMINATION: Final[Mapping[str, Plan]] = {
    "studies": studies,
    "folders": folders,
    "transfers": transfers,
    "remains": remains,
    "orphans": orphans,
    "links": stale,
}


def _findings(
    store: Store, uid: str, found: Compared, facts: StudyFacts | None, report: bool, left: datetime | None = None
) -> list[Finding]:
    folder = f"archive/scp_{uid}"
    findings = []
    for sort, paths, what in (
        ("file_without_row", found.strangers, "received, and never indexed as far as the catalogue knows"),
        ("file_of_removed_row", found.revenants, "the catalogue says that they have left the archive"),
    ):
        if paths:
            events, unreadable = announce(store, uid, paths)
            said = what + (f"; {unreadable} of them are no DICOM instances of it: look at them" if unreadable else "")
            healing = INDEXED if events and not report else ""
            findings.append(Finding(sort, folder, said, uid, len(paths), healing, () if report else events))
    if found.missing:
        asked = RetentionEnded(run=_of(uid, found.missing), kind="missing", subject=uid, before=now())
        events = () if report else (asked,)
        healing = "" if report else NOTED
        sort = "row_without_file" if left is None else "row_of_removed_file"
        meaning = _meaning(facts) if left is None else LEFT.format(left)
        findings.append(Finding(sort, folder, meaning, uid, len(found.missing), healing, events))
    if found.other_size:
        meaning = "not as long as what was received: restore them from a backup, or ask the sender for them again"
        findings.append(Finding("size_differs", folder, meaning, uid, len(found.other_size)))
    return findings


def _meaning(facts: StudyFacts | None) -> str:
    """What it means that files of a study are missing."""
    why = why_kept(facts, AT_ANY_AGE, now()) if facts is not None else "there is no such study"
    if why is None or why in WAITS:
        return "nothing is lost: the study is whole at its destination; it cannot be sent from here again"
    if "under way" in why:
        return f"{why}, and will fail if it has not read them yet: ask the sender for the study again"
    return f"{why}: ask the sender for the study again"


def announce(store: Store, uid: str, paths: Sequence[str]) -> tuple[tuple[Event, ...], int]:
    """What tells the indexer of files, as an association would; and how many of them nobody can announce."""
    found = announced(store, uid, sorted(paths))
    return found.events, len(found.unreadable)


def _of(uid: str, paths: Sequence[str]) -> str:
    """An id that is the same for the same files."""
    return "doctor-" + sha256("\n".join((uid, *sorted(paths))).encode()).hexdigest()[:24]


def on_disk(store: Store, uid: str) -> dict[str, OnDisk]:
    """The files of a study's folder."""
    found = {}
    folder = store / f"archive/scp_{uid}"
    for path in folder.rglob("*") if folder.is_dir() else ():
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if path.is_file():
            name = str(path.relative_to(store.root))
            found[name] = OnDisk(status.st_size, status.st_mtime, status.st_nlink > 1)
    return found


async def _rows(session: AsyncSession, uids: Sequence[str]) -> dict[str, dict[str, Row]]:
    found: dict[str, dict[str, Row]] = {}
    query = select(Instance.study_instance_uid, Instance.path, Instance.size, Instance.removed_at)
    for uid, path, size, removed in await session.execute(query.where(Instance.study_instance_uid.in_(uids))):
        found.setdefault(uid, {})[path] = Row(size, removed is not None)
    beside = select(InstanceConflict.study_instance_uid, InstanceConflict.path)
    for uid, path in await session.execute(beside.where(InstanceConflict.study_instance_uid.in_(uids))):
        found.setdefault(uid, {})[path] = Row(None)
    return found


def _folders(store: Store, after: str, most: int) -> list[str]:
    """The next folders of studies."""
    return [name for name in names(store, "archive", after) if valid_uid(name.removeprefix("scp_"))][:most]
