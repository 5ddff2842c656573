"""What goes when the disk is too full, oldest first: de-identified files, and the originals."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, func, select, tuple_

from services.janitor.disks import Disk, measure
from services.janitor.plan import Cursor, Page, Tools, Want
from services.janitor.policies import ByDisk
from services.janitor.retention.ages import ago
from services.janitor.retention.filling import Filling
from services.janitor.retention.folders import sizes_of
from shared.moments import AHEAD
from shared.retention.facts import facts_of_studies, facts_of_transfers
from shared.retention.whole import why_files_kept, why_kept
from shared.tables import Assignment, JanitorLine, Study, Transfer
from shared.tables.base import now

AT_ONCE: Final = 500
"""Transfers of one step."""


async def anonymized(tools: Tools, cursor: Cursor, report: bool) -> Page:
    """De-identified files of transfers that are over, those first that ended first."""
    policy = tools.policies.anonymized
    if not cursor:
        disk = await asyncio.to_thread(measure, tools.store / "anonymized", policy.quota_gib)
        return _begin("anonymized", policy, disk, await _going(tools, "anonymized", policy), report)
    query = select(Transfer.finished_at, Transfer.id).where(
        Transfer.state.in_(("completed", "failed")), Transfer.finished_at <= ago(policy.min_days)
    )
    order = Transfer.finished_at, Transfer.id
    if "id" in cursor:
        query = query.where(tuple_(*order) > (datetime.fromisoformat(cursor["at"]), cursor["id"]))
    async with tools.database.reading() as session:
        found = (await session.execute(query.order_by(*order).limit(AT_ONCE))).all()
    sizes = await asyncio.to_thread(sizes_of, tools.store, [id for _, id in found], ("anonymized/{}",), "*/*.dcm")
    async with tools.database.reading() as session:
        facts = {each.sent.id: each for each in await facts_of_transfers(session, list(sizes))}
    filling = Filling(policy, cursor)
    for at, id in found:
        if id in facts and at is not None:
            why = why_files_kept(facts[id], policy.limits, now())
            filling.add(Want("anonymized", id, ago(policy.min_days), sizes[id], "", policy.limits), why, at)
    return filling.page(found[-1] if len(found) == AT_ONCE else None, report)


async def archive(tools: Tools, cursor: Cursor, report: bool) -> Page:
    """The originals: what was delivered longest ago first, then what nobody has assigned."""
    policy = tools.policies.archive
    if not cursor:
        disk = await asyncio.to_thread(measure, tools.store / "archive", policy.quota_gib)
        return _begin("archive", policy, disk, await _going(tools, "archive", policy), report)
    mine = exists().where(Assignment.study_instance_uid == Study.study_instance_uid, Assignment.in_force)
    order = Study.last_seen_at, Study.study_instance_uid
    query = select(*order).where(
        Study.removed_at.is_(None),
        Study.last_seen_at <= ago(policy.min_days),
        ~mine if cursor.get("unassigned") else mine,
    )
    if "id" in cursor:
        query = query.where(tuple_(*order) > (datetime.fromisoformat(cursor["at"]), cursor["id"]))
    async with tools.database.reading() as session:
        found = (await session.execute(query.order_by(*order).limit(tools.settings.page))).all()
        facts = await facts_of_studies(session, [uid for _, uid in found])
    filling = Filling(policy, cursor)
    for each in facts:
        why = why_kept(each, policy.limits, now())
        want = Want("archive", each.study_instance_uid, ago(policy.min_days), each.size, "", policy.limits)
        filling.add(want, why, each.seen_at)
    page = filling.page(found[-1] if len(found) == tools.settings.page else None, report)
    if page.cursor is None and not cursor.get("unassigned") and not filling.enough(report):
        return replace(page, cursor=filling.state() | {"unassigned": True})
    return page


async def _going(tools: Tools, kind: str, policy: ByDisk) -> int:
    """Bytes that were asked for and are about to go: of the whole volume, or of the kind that a quota is for."""
    late = now() - timedelta(seconds=tools.settings.patience_seconds)
    asked = JanitorLine.state == "asked", JanitorLine.at > late, JanitorLine.at <= now() + AHEAD
    query = select(func.coalesce(func.sum(JanitorLine.size), 0)).where(*asked)
    if policy.quota_gib is not None:
        query = query.where(JanitorLine.kind == kind)
    async with tools.database.reading() as session:
        return int(await session.scalar(query) or 0)


def _begin(name: str, policy: ByDisk, disk: Disk, going: int, report: bool) -> Page:
    """Whether there is anything to do, and how much."""
    need = max(0, disk.excess(policy.high, policy.low) - going)
    counts = {"need": need}
    if not need and policy.after_days is None and not report:
        return Page(counts=counts, disk=(name, disk))
    return Page(cursor={"need": need, "planned": 0}, counts=counts, disk=(name, disk))
