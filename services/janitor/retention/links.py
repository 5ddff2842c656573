"""Links that lead nowhere, JSON of series without links, and empty folders."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Final

from services.janitor.plan import Cursor, Page, Tools, Want
from services.janitor.retention.ages import ago
from shared.retention import links
from shared.store import Store

PARTS_AT_ONCE: Final = 16


async def stale_links(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """Links that lead nowhere and empty folders, in sixteen parts a tree."""
    if (days := tools.policies.links.days) is None:
        return Page()
    start, before = cursor.get("part", 0), ago(days)
    wants = []
    for part in links.PARTS[start : start + PARTS_AT_ONCE]:
        found = await asyncio.to_thread(count_stale, tools.store, part, before)
        if found:
            said = ", ".join(f"{number} {what}" for what, number in sorted(found.items()))
            wants.append(Want("links", part, before, 0, said))
    end = start + PARTS_AT_ONCE
    return Page(wants, cursor={"part": end} if end < len(links.PARTS) else None)


def count_stale(store: Store, part: str, before: datetime) -> Counter[str]:
    """What of a part of a tree leads nowhere."""
    found = Counter[str]()
    for folder in links.folders(store, part):
        found += links.clear(folder, before.timestamp(), remove=False)
    return found
