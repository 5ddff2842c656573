"""What transfers that are over have left beside their de-identified files: rests, answers, pictures of pixels."""

import asyncio
from collections import Counter
from typing import Final

from sqlalchemy import exists, select

from services.janitor.plan import Cursor, Page, Tools, Want
from services.janitor.retention.ages import ago
from services.janitor.retention.folders import names, sizes_of
from shared.events import RetentionLimits
from shared.retention.facts import facts_of_transfers
from shared.retention.whole import why_answers_kept, why_files_kept, why_rest_kept
from shared.tables import Delivery, SentInstance, Transfer
from shared.tables.base import now
from shared.transfers import STOPPED

AT_ONCE: Final = 500
"""Transfers of one step."""


async def stopped(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """What transfers that were stopped have left: files, and answers of destinations."""
    if (days := tools.policies.anonymized.stopped_days) is None:
        return Page()
    after, before, limits = cursor.get("after", ""), ago(days), RetentionLimits(min_days=days)
    query = select(Transfer.id).where(Transfer.state.in_(STOPPED), Transfer.id > after).order_by(Transfer.id)
    async with tools.database.reading() as session:
        ids = list(await session.scalars(query.limit(AT_ONCE)))
        answers = {
            each
            for table in (Delivery, SentInstance)
            for each in await session.scalars(select(table.transfer).where(table.transfer.in_(ids)).distinct())
        }
    sizes = await asyncio.to_thread(sizes_of, tools.store, ids, ("anonymized/{}", "review/{}"), "*")
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
    return Page(wants, kept=kept, cursor={"after": ids[-1]} if len(ids) == AT_ONCE else None)


async def settled(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """What destinations have answered to each instance of transfers that they have taken whole."""
    if (days := tools.policies.answers.days) is None:
        return Page()
    before, limits = ago(days), RetentionLimits(min_days=days, counted=tools.policies.anonymized.counted)
    answered = exists().where(SentInstance.transfer == Transfer.id)
    old = Transfer.state == "completed", Transfer.finished_at <= before, Transfer.id > cursor.get("after", "")
    query = select(Transfer.id).where(*old, answered).order_by(Transfer.id).limit(AT_ONCE)
    async with tools.database.reading() as session:
        ids = list(await session.scalars(query))
        facts = await facts_of_transfers(session, ids)
    wants, kept = [], Counter[str]()
    for each in facts:
        if (why := why_answers_kept(each, limits, now())) is not None:
            kept[why] += 1
        else:
            wants.append(Want("settled", each.sent.id, before, 0, f"completed {days:g} days ago", limits))
    return Page(wants, kept=kept, cursor={"after": ids[-1]} if len(ids) == AT_ONCE else None)


async def review(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """What was shown of the pixels of transfers that are completed."""
    if (days := tools.policies.review.days) is None:
        return Page()
    limits = RetentionLimits(min_days=days, counted=tools.policies.anonymized.counted)
    ids = await asyncio.to_thread(names, tools.store, "review", cursor.get("after", ""), tools.settings.page)
    sizes = await asyncio.to_thread(sizes_of, tools.store, ids, ("review/{}",), "*")
    async with tools.database.reading() as session:
        facts = await facts_of_transfers(session, ids)
    wants, kept = [], Counter[str]()
    for each in facts:
        if (why := why_files_kept(each, limits, now())) is not None:
            kept[why] += 1
        elif each.sent.id in sizes:
            size = sizes[each.sent.id]
            wants.append(Want("review", each.sent.id, ago(days), size, f"completed {days:g} days ago", limits))
    return Page(wants, kept=kept, cursor={"after": ids[-1]} if len(ids) == tools.settings.page else None)
