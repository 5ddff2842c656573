"""What each policy finds, some at a time: the things that may go, and why the others stay. Nothing is touched here."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import exists, func, select, tuple_

from services.janitor.disks import Disk, measure
from services.janitor.policies import ByDisk, Policies
from services.janitor.settings import JanitorSettings
from services.janitor.temporary import TREES, leftovers
from shared.database import Database
from shared.events import Event, RetentionLimits
from shared.retention import links
from shared.retention.facts import facts_of_studies, facts_of_transfers
from shared.retention.rows import count_due
from shared.retention.whole import STOPPED, why_files_kept, why_kept, why_rest_kept
from shared.store import Store
from shared.tables import Assignment, Delivery, ProjectExport, SentInstance, Study, Transfer
from shared.tables.base import now

Cursor = Mapping[str, Any]
START: Final[Cursor] = {}
LINK_PARTS_AT_ONCE: Final = 16
FOLDERS_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Tools:
    """What looking takes."""

    database: Database
    store: Store
    policies: Policies
    settings: JanitorSettings


@dataclass(frozen=True)
class Want:
    """One thing that may go."""

    kind: str
    subject: str
    before: datetime
    size: int = 0
    why: str = ""
    limits: RetentionLimits = field(default_factory=RetentionLimits)


@dataclass(frozen=True)
class Finding:
    """Something that does not fit together, what it means, and what would heal it."""

    sort: str
    subject: str
    meaning: str
    study: str | None = None
    number: int = 1
    healing: str = ""
    events: Sequence[Event] = ()


@dataclass(frozen=True)
class Page:
    """What one step has found; `cursor` None: there is no more."""

    wants: Sequence[Want] = ()
    findings: Sequence[Finding] = ()
    cursor: Cursor | None = None
    kept: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    disk: tuple[str, Disk] | None = None


Plan = Callable[[Tools, Cursor, bool], Awaitable[Page]]
"""Tools, how far it is, and whether it only reports."""


def _ago(days: float) -> datetime:
    return now() - timedelta(days=days)


async def temporary(tools: Tools, _: Cursor, __: bool) -> Page:
    """What writers left that were killed."""
    if (days := tools.policies.temporary.days) is None:
        return Page()
    before = _ago(days)
    wants = []
    for tree in TREES:
        found = await asyncio.to_thread(_leftovers, tools.store, tree, before)
        if found:
            size = sum(size for _, size in found)
            wants.append(Want("temporary", tree, before, size, f"{len(found)} files that nobody writes any more"))
    return Page(wants)


def _leftovers(store: Store, tree: str, before: datetime) -> list[tuple[Path, int]]:
    return list(leftovers(store, tree, before))


async def rows(tools: Tools, _: Cursor, __: bool) -> Page:
    """Rows of tables by their age."""
    wants = []
    async with tools.database.reading() as session:
        for name, days in tools.policies.rows.items():
            if days is not None and (number := await count_due(session, name, _ago(days))):
                wants.append(Want("rows", name, _ago(days), 0, f"{number} rows older than {days:g} days"))
    return Page(wants)


async def stopped(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """What transfers that were stopped have left: files, and answers of destinations."""
    if (days := tools.policies.anonymized.stopped_days) is None:
        return Page()
    after, before, limits = cursor.get("after", ""), _ago(days), RetentionLimits(min_days=days)
    query = select(Transfer.id).where(Transfer.state.in_(tuple(STOPPED)), Transfer.id > after).order_by(Transfer.id)
    async with tools.database.reading() as session:
        ids = list(await session.scalars(query.limit(FOLDERS_AT_ONCE)))
        answers = {
            each
            for table in (Delivery, SentInstance)
            for each in await session.scalars(select(table.transfer).where(table.transfer.in_(ids)).distinct())
        }
    sizes = await asyncio.to_thread(_sizes, tools.store, ids, ("anonymized/{}", "review/{}"), "*")
    there = [each for each in ids if each in sizes or each in answers]
    async with tools.database.reading() as session:
        facts = await facts_of_transfers(session, there)
    wants, kept = [], Counter[str]()
    for each in facts:
        if (why := why_rest_kept(each, limits, now())) is not None:
            kept[why] += 1
            continue
        said = f"{each.sent.state} {days:g} days ago or earlier"
        if each.sent.id in sizes:
            wants.append(Want("stopped", each.sent.id, before, sizes[each.sent.id], said, limits))
        if each.sent.id in answers:
            wants.append(Want("answers", each.sent.id, before, 0, said, limits))
    return Page(wants, kept=kept, cursor={"after": ids[-1]} if len(ids) == FOLDERS_AT_ONCE else None)


async def review(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """What was shown of the pixels of transfers that are completed."""
    if (days := tools.policies.review.days) is None:
        return Page()
    limits = RetentionLimits(min_days=days, counted=tools.policies.anonymized.counted)
    names = await asyncio.to_thread(_names, tools.store, "review", cursor.get("after", ""), tools.settings.page)
    sizes = await asyncio.to_thread(_sizes, tools.store, names, ("review/{}",), "*")
    async with tools.database.reading() as session:
        facts = await facts_of_transfers(session, names)
    wants, kept = [], Counter[str]()
    for each in facts:
        if (why := why_files_kept(each, limits, now())) is not None:
            kept[why] += 1
        elif each.sent.id in sizes:
            size = sizes[each.sent.id]
            wants.append(Want("review", each.sent.id, _ago(days), size, f"completed {days:g} days ago", limits))
    return Page(wants, kept=kept, cursor={"after": names[-1]} if len(names) == tools.settings.page else None)


async def exports(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """Files that PIs could download, but the last one of a project."""
    if (days := tools.policies.exports.days) is None:
        return Page()
    before = _ago(days)
    old = (
        ProjectExport.state.in_(("ready", "confirmed")),
        ProjectExport.final.is_(False),
        ProjectExport.made_at < before,
    )
    query = select(ProjectExport).where(*old, ProjectExport.id > cursor.get("after", "")).order_by(ProjectExport.id)
    async with tools.database.reading() as session:
        found = list(await session.scalars(query.limit(tools.settings.page)))
    limits = RetentionLimits(min_days=days)
    wants = [Want("export", each.id, before, each.size, f"made {days:g} days ago", limits) for each in found]
    return Page(wants, cursor={"after": found[-1].id} if len(found) == tools.settings.page else None)


async def anonymized(tools: Tools, cursor: Cursor, report: bool) -> Page:
    """De-identified files of completed transfers, those first that were completed first."""
    policy = tools.policies.anonymized
    if not cursor:
        disk = await asyncio.to_thread(measure, tools.store / "anonymized", policy.quota_gib)
        return _begin("anonymized", policy, disk, report)
    query = select(Transfer.finished_at, Transfer.id).where(
        Transfer.state == "completed", Transfer.finished_at <= _ago(policy.min_days)
    )
    order = Transfer.finished_at, Transfer.id
    if "id" in cursor:
        query = query.where(tuple_(*order) > (datetime.fromisoformat(cursor["at"]), cursor["id"]))
    async with tools.database.reading() as session:
        found = (await session.execute(query.order_by(*order).limit(FOLDERS_AT_ONCE))).all()
    sizes = await asyncio.to_thread(_sizes, tools.store, [id for _, id in found], ("anonymized/{}",), "*/*.dcm")
    async with tools.database.reading() as session:
        facts = {each.sent.id: each for each in await facts_of_transfers(session, list(sizes))}
    filling = _Filling(policy, cursor)
    for at, id in found:
        if id in facts and at is not None:
            why = why_files_kept(facts[id], policy.limits, now())
            filling.add(Want("anonymized", id, _ago(policy.min_days), sizes[id], "", policy.limits), why, at)
    return filling.page(found[-1] if len(found) == FOLDERS_AT_ONCE else None, report)


async def archive(tools: Tools, cursor: Cursor, report: bool) -> Page:
    """The originals: what was delivered longest ago first, then what nobody has assigned."""
    policy = tools.policies.archive
    if not cursor:
        disk = await asyncio.to_thread(measure, tools.store / "archive", policy.quota_gib)
        return _begin("archive", policy, disk, report)
    mine = exists().where(Assignment.study_instance_uid == Study.study_instance_uid, Assignment.in_force)
    order = Study.last_seen_at, Study.study_instance_uid
    query = select(*order).where(
        Study.removed_at.is_(None),
        Study.last_seen_at <= _ago(policy.min_days),
        ~mine if cursor.get("unassigned") else mine,
    )
    if "id" in cursor:
        query = query.where(tuple_(*order) > (datetime.fromisoformat(cursor["at"]), cursor["id"]))
    async with tools.database.reading() as session:
        found = (await session.execute(query.order_by(*order).limit(tools.settings.page))).all()
        facts = await facts_of_studies(session, [uid for _, uid in found])
    filling = _Filling(policy, cursor)
    for each in facts:
        why = why_kept(each, policy.limits, now())
        want = Want("archive", each.study_instance_uid, _ago(policy.min_days), each.size, "", policy.limits)
        filling.add(want, why, each.seen_at)
    page = filling.page(found[-1] if len(found) == tools.settings.page else None, report)
    if page.cursor is None and not cursor.get("unassigned") and not filling.enough(report):
        return replace(page, cursor=filling.state() | {"unassigned": True})
    return page


def _begin(name: str, policy: ByDisk, disk: Disk, report: bool) -> Page:
    """Whether there is anything to do, and how much."""
    need = disk.excess(policy.high, policy.low)
    counts = {"need": need}
    if not need and policy.after_days is None and not report:
        return Page(counts=counts, disk=(name, disk))
    return Page(cursor={"need": need, "planned": 0}, counts=counts, disk=(name, disk))


class _Filling:
    """What a page takes of what may go: as much as is needed, and what is too old in any case."""

    def __init__(self, policy: ByDisk, cursor: Cursor) -> None:
        self._policy = policy
        self._cursor = dict(cursor)
        self._wants: list[Want] = []
        self._kept = Counter[str]()
        self._counts = Counter[str]()

    def add(self, want: Want, why: str | None, at: datetime) -> None:
        """One candidate, why it stays (if it does), and since when nothing happened to it."""
        if why is not None:
            self._kept[why] += 1
            return
        self._counts += Counter({"could": 1, "could_bytes": want.size})
        old = self._policy.after_days is not None and at < _ago(self._policy.after_days)
        if not old and self._cursor["planned"] >= self._cursor["need"]:
            return
        said = f"older than {self._policy.after_days:g} days" if old else "the disk is too full"
        self._cursor["planned"] += want.size
        self._wants.append(Want(want.kind, want.subject, want.before, want.size, said, want.limits))

    def enough(self, report: bool) -> bool:
        """Whether nothing more is to be looked for."""
        return not report and self._policy.after_days is None and self._cursor["planned"] >= self._cursor["need"]

    def state(self) -> dict[str, Any]:
        """The cursor without its place."""
        return {name: value for name, value in self._cursor.items() if name not in ("at", "id")}

    def page(self, last: Any, report: bool) -> Page:
        """What was found, and where to go on."""
        cursor = None
        if last is not None and not self.enough(report):
            cursor = self.state() | {"at": last[0].isoformat(), "id": last[1]}
        return Page(self._wants, kept=self._kept, cursor=cursor, counts=self._counts)


async def identities(tools: Tools, _: Cursor, __: bool) -> Page:
    """Who studies were of whose files are gone."""
    if (days := tools.policies.identities.days) is None:
        return Page()
    query = select(func.count()).select_from(Study).where(Study.removed_at < _ago(days))
    async with tools.database.reading() as session:
        number = await session.scalar(query) or 0
    if not number:
        return Page()
    said = f"files of {number} studies are gone for {days:g} days, as far as they are still known"
    return Page([Want("identities", "studies", _ago(days), 0, said)])


async def stale_links(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """Links that lead nowhere and empty folders, in sixteen parts a tree."""
    if (days := tools.policies.links.days) is None:
        return Page()
    start, before = cursor.get("part", 0), _ago(days)
    wants = []
    for part in links.PARTS[start : start + LINK_PARTS_AT_ONCE]:
        found = await asyncio.to_thread(count_stale, tools.store, part, before)
        if found:
            said = ", ".join(f"{number} {what}" for what, number in sorted(found.items()))
            wants.append(Want("links", part, before, 0, said))
    end = start + LINK_PARTS_AT_ONCE
    return Page(wants, cursor={"part": end} if end < len(links.PARTS) else None)


def count_stale(store: Store, part: str, before: datetime) -> Counter[str]:
    """What of a part of a tree leads nowhere."""
    found = Counter[str]()
    for folder in links.folders(store, part):
        found += links.clear(folder, before.timestamp(), remove=False)
    return found


def _names(store: Store, tree: str, after: str, most: int) -> list[str]:
    """The next folders of a tree."""
    folder = store / tree
    if not folder.is_dir():
        return []
    return sorted(each.name for each in folder.iterdir() if each.name > after and each.is_dir())[:most]


def _sizes(store: Store, names: Sequence[str], places: Sequence[str], pattern: str) -> dict[str, int]:
    """Name -> bytes, of those that have any file there."""
    found: dict[str, int] = {}
    for name in names:
        for place in places:
            for path in (store / place.format(name)).rglob(pattern):
                if path.is_file() and path.name != ".lock":
                    found[name] = found.get(name, 0) + path.stat().st_size
    return found


RETENTION: Final[Mapping[str, Plan]] = {
    "temporary": temporary,
    "rows": rows,
    "stopped": stopped,
    "review": review,
    "exports": exports,
    "anonymized": anonymized,
    "archive": archive,
    "identities": identities,
    "links": stale_links,
}
"""In this order: what is of no use to anybody first."""

SELDOM: Final = frozenset(("temporary", "links"))
"""What walks over whole trees: once a day, and whenever a person asks."""
