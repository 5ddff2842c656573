"""What was de-identified or put together and no row knows any more: the database may be of a day before it.

Nothing is done about it: what is asked for again is made anew, and a person removes what is not.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from services.janitor.plan import Cursor, Finding, Page, Tools
from shared.store import Store
from shared.tables import Heartbeat, ProjectExport, Transfer
from shared.tables.base import now

KNOWN_TO: Final[Mapping[str, tuple[str, tuple[InstrumentedAttribute[Any], ...]]]] = {
    "anonymized": ("*", (Transfer.id, Heartbeat.id)),
    "review": ("*", (Transfer.id,)),
    "exports": ("*/*.zip", (ProjectExport.id,)),
}
"""Tree -> what stands in it, and by which rows' ids that is called."""
ORDER: Final = tuple(KNOWN_TO)
MEANING: Final = "no row knows of it: remove it by hand, unless a newer backup of the database has one"


async def orphans(tools: Tools, cursor: Cursor, _: bool) -> Page:
    """Folders of transfers and files of exports, one tree after the other."""
    tree, size = cursor.get("tree", ORDER[0]), tools.settings.page
    pattern, columns = KNOWN_TO[tree]
    names = await asyncio.to_thread(_names, tools.store, tree, pattern, cursor.get("after", ""), size)
    old = await asyncio.to_thread(_old, tools.store, names, now().timestamp() - tools.settings.young_seconds)
    known = set[str]()
    async with tools.database.reading() as session:
        for column in columns:
            known |= set(await session.scalars(select(column).where(column.in_(map(_id, old)))))
    findings = [Finding("nobody_knows", name, MEANING) for name in old if _id(name) not in known]
    following = ORDER[ORDER.index(tree) + 1 :]
    onward: Cursor | None = {"tree": following[0]} if following else None
    if len(names) == size:
        onward = {"tree": tree, "after": names[-1]}
    return Page(findings=findings, cursor=onward, counts={tree: len(names)})


def _names(store: Store, tree: str, pattern: str, after: str, most: int) -> list[str]:
    """The next ones, relative to the store."""
    found = (str(path.relative_to(store.root)) for path in (store / tree).glob(pattern))
    return sorted(name for name in found if name > after and not name.rpartition("/")[2].startswith("."))[:most]


def _old(store: Store, names: list[str], young: float) -> list[str]:
    return [name for name in names if (store / name).exists() and (store / name).stat().st_mtime < young]


def _id(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".zip")
