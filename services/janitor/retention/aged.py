"""What goes by its age alone: temporary files, rows, exports, and who studies were of."""

import asyncio
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from services.janitor.plan import Cursor, Page, Tools, Want
from services.janitor.retention.ages import ago
from services.janitor.temporary import TREES, leftovers
from shared.events import RetentionLimits
from shared.retention.rows import count_due
from shared.store import Store
from shared.tables import ProjectExport, Study


async def temporary(tools: Tools, _: Cursor, __: bool) -> Page:
    """What writers left that were killed."""
    if (days := tools.policies.temporary.days) is None:
        return Page()
    before = ago(days)
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
            if days is not None and (number := await count_due(session, name, ago(days))):
                wants.append(Want("rows", name, ago(days), 0, f"{number} rows older than {days:g} days"))
    return Page(wants)


async def exports(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """Files that PIs could download, but the last one of a project."""
    if (days := tools.policies.exports.days) is None:
        return Page()
    before = ago(days)
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


async def identities(tools: Tools, _: Cursor, __: bool) -> Page:
    """Who studies were of whose files are gone."""
    if (days := tools.policies.identities.days) is None:
        return Page()
    query = select(func.count()).select_from(Study).where(Study.removed_at < ago(days))
    async with tools.database.reading() as session:
        number = await session.scalar(query) or 0
    if not number:
        return Page()
    said = f"files of {number} studies are gone for {days:g} days, as far as they are still known"
    return Page([Want("identities", "studies", ago(days), 0, said)])
