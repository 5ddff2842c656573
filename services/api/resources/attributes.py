"""What is left in what a project was given: every attribute, its values and how often; a reviewer marks what must go.

Values are of research data, but a search looks for what should not be there: so it is a POST.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import BigInteger, ColumnElement, and_, cast, distinct, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.judging import reviews
from services.api.needs import Ctx, Limit, Offset, ProjectName, Prose
from services.api.problems import Problem, documented
from services.api.projects import get_project
from shared.crypto import Vault
from shared.tables import AttributeMark, KeptAttribute
from shared.tables.base import now

router = APIRouter(tags=["attributes"])
SHOWN = 10
"""Values of an attribute that stand in the list of attributes."""

Verdict = Literal["must-go", "fine"]
MarkState = Literal["must-go", "fine", "none", "all"]
Sort = Literal["path", "count", "distinct", "last_seen"]
AttributePath = Annotated[str, Field(max_length=250, pattern=r"^[0-9A-Fa-f(),>]+$")]

VALUE = {"value": "T1 axial", "count": 192}
MARK = {"verdict": "must-go", "reviewer": "k.olsen", "reason": None, "created_at": "2026-01-03T09:00:00Z"}
EXAMPLE = {
    "path": "(0008,103E)",
    "keyword": "SeriesDescription",
    "vr": "LO",
    "count": 812,
    "distinct": 4,
    "values": [VALUE],
    "first_seen_at": "2026-01-02T10:40:00Z",
    "last_seen_at": "2026-01-02T10:40:00Z",
    "mark": MARK,
}


class AttributeSearch(Shape):
    """Which attributes: all that is given has to fit."""

    model_config = example(text="axial", vr="LO")
    text: str | None = Field(
        default=None,
        max_length=64,
        pattern=r"^[^\x00]+$",
        description="part of keyword, path or a value; upper or lower case",
    )
    vr: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    mark: MarkState = "all"
    sort: Sort = "path"


class ValueItem(Shape):
    """A value, and in how many instances it is left."""

    model_config = example(**VALUE)
    value: str | None = Field(description="null: not shown (UIDs, long or binary values), or one of very many")
    count: int


class MarkItem(Shape):
    """What a reviewer says of an attribute."""

    model_config = example(**MARK)
    verdict: Verdict
    reviewer: str
    reason: str | None = Field(description="for those who review; null for others")
    created_at: datetime


class AttributeItem(Shape):
    """An attribute that is left."""

    model_config = example(**EXAMPLE)
    path: str = Field(description="outermost first, `>` between a sequence and what its items hold")
    keyword: str
    vr: str
    count: int = Field(description="occurrences in what was transferred so far")
    distinct: int = Field(description="different values that are told apart")
    values: list[ValueItem] = Field(description=f"the {SHOWN} most frequent")
    first_seen_at: datetime
    last_seen_at: datetime
    mark: MarkItem | None


class NewMark(Shape):
    """What a reviewer says of an attribute."""

    model_config = example(path="(0008,103E)", verdict="must-go", reason="names of wards")
    path: AttributePath
    verdict: Verdict = Field(description="must-go: to be removed, at every depth; fine: looked at, may stay")
    reason: Prose = Field(description="kept encrypted: people write names")


class MarkedAttribute(MarkItem):
    """A mark and its attribute."""

    model_config = example(project="ABCD-study", path="(0008,103E)", **MARK)
    project: str
    path: str


@router.get(
    "/projects/{name}/attributes",
    summary="The attributes that are left in a project",
    responses=documented("unknown-project"),
)
async def list_attributes(
    context: Ctx,
    name: ProjectName,
    who: Who,
    vr: Annotated[str | None, Query(pattern=r"^[A-Z]{2}$")] = None,
    mark: Annotated[MarkState, Query(description="what reviewers said of it")] = "all",
    sort: Annotated[Sort, Query(description="by path, or the greatest first")] = "path",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[AttributeItem]:
    """With their most frequent values; kept up to date as transfers happen."""
    search = AttributeSearch(vr=vr, mark=mark, sort=sort)
    return await search_attributes(context, who, name, search, limit, offset)


@router.post(
    "/projects/{name}/attributes/search",
    summary="Attributes of a project by keyword, tag or value",
    responses=documented("unknown-project"),
)
async def search_attributes(
    context: Ctx, who: Who, name: ProjectName, search: AttributeSearch, limit: Limit = 100, offset: Offset = 0
) -> Page[AttributeItem]:
    """A search for a value is a POST: it may be a name that should not be there."""
    where = _where(name, search)
    # PostgreSQL's sum of bigints is a numeric.
    number = cast(func.sum(KeptAttribute.count), BigInteger).label("count")
    different = func.count(KeptAttribute.value).label("distinct")
    last = func.max(KeptAttribute.last_seen_at).label("last_seen_at")
    groups = (
        select(
            KeptAttribute.path,
            func.min(KeptAttribute.keyword).label("keyword"),
            func.min(KeptAttribute.vr).label("vr"),
            number,
            different,
            func.min(KeptAttribute.first_seen_at).label("first_seen_at"),
            last,
        )
        .where(*where)
        .group_by(KeptAttribute.path)
    )
    order: dict[Sort, ColumnElement[Any]] = {
        "path": KeptAttribute.path.asc(),
        "count": number.desc(),
        "distinct": different.desc(),
        "last_seen": last.desc(),
    }
    async with context.database.reading() as session:
        await get_project(session, name)
        total = await session.scalar(select(func.count(distinct(KeptAttribute.path))).where(*where)) or 0
        page = groups.order_by(order[search.sort], KeptAttribute.path).limit(limit).offset(offset)
        rows = (await session.execute(page)).all()
        paths = [row.path for row in rows]
        values = await _values(session, name, paths)
        marks = await _marks(session, context.vault if reviews(who, name) else None, name, paths)
    items = [AttributeItem(**row._asdict(), values=values.get(row.path, []), mark=marks.get(row.path)) for row in rows]
    return Page(items=items, total=total)


@router.get(
    "/projects/{name}/attributes/values",
    summary="Every value of an attribute that is left in a project",
    responses=documented("unknown-project", "unknown-attribute"),
)
async def list_values(
    context: Ctx,
    name: ProjectName,
    path: Annotated[AttributePath, Query(description="as in the list of attributes")],
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[ValueItem]:
    """The most frequent first."""
    this = KeptAttribute.project == name, KeptAttribute.path == path
    async with context.database.reading() as session:
        await get_project(session, name)
        total = await session.scalar(select(func.count()).select_from(KeptAttribute).where(*this)) or 0
        if not total:
            raise Problem("unknown-attribute")
        rows = await session.execute(
            select(KeptAttribute.value, KeptAttribute.count)
            .where(*this)
            .order_by(KeptAttribute.count.desc(), KeptAttribute.value_hash)
            .limit(limit)
            .offset(offset)
        )
        return Page(items=[ValueItem(value=value, count=count) for value, count in rows], total=total)


@router.post(
    "/projects/{name}/attributes/marks",
    summary="Say of an attribute that it must go, or that it is fine",
    responses=documented("unknown-project", "unknown-attribute"),
)
async def mark_attribute(context: Ctx, who: Who, name: ProjectName, wish: NewMark) -> MarkedAttribute:
    """The last word counts. It changes nothing by itself: it is part of what is proposed for the profile."""
    values = {
        "project": name,
        "path": wish.path,
        "verdict": wish.verdict,
        "reviewer": who.name,
        "reason": context.vault.encrypt(wish.reason),
        "created_at": now(),
    }
    this = KeptAttribute.project == name, KeptAttribute.path == wish.path
    async with context.database.session() as session:
        await get_project(session, name)
        if await session.scalar(select(func.count()).select_from(KeptAttribute).where(*this)) == 0:
            raise Problem("unknown-attribute")
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        said = insert(AttributeMark).values(values)
        await session.execute(said.on_conflict_do_update(index_elements=["project", "path"], set_=values))
    return MarkedAttribute(**values | {"reason": None})


def _where(project: str, search: AttributeSearch) -> list[ColumnElement[bool]]:
    """What a value's row has to fulfil for its attribute to be meant."""
    where: list[ColumnElement[bool]] = [KeptAttribute.project == project]
    if search.vr is not None:
        where.append(KeptAttribute.vr == search.vr)
    if search.text is not None:
        columns = KeptAttribute.keyword, KeptAttribute.path, KeptAttribute.value
        found = or_(*(column.icontains(search.text, autoescape=True) for column in columns))
        paths = select(KeptAttribute.path).where(KeptAttribute.project == project, found)
        where.append(KeptAttribute.path.in_(paths))
    if search.mark != "all":
        marked = select(AttributeMark.path).where(AttributeMark.project == project)
        if search.mark == "none":
            where.append(KeptAttribute.path.not_in(marked))
        else:
            where.append(KeptAttribute.path.in_(marked.where(AttributeMark.verdict == search.mark)))
    return where


async def _values(session: AsyncSession, project: str, paths: Sequence[str]) -> dict[str, list[ValueItem]]:
    """The most frequent values of each."""
    rank = func.row_number().over(
        partition_by=KeptAttribute.path, order_by=(KeptAttribute.count.desc(), KeptAttribute.value_hash)
    )
    ranked = (
        select(KeptAttribute.path, KeptAttribute.value, KeptAttribute.count, rank.label("rank"))
        .where(KeptAttribute.project == project, KeptAttribute.path.in_(paths))
        .subquery()
    )
    found: dict[str, list[ValueItem]] = {}
    columns = ranked.c.path, ranked.c.value, ranked.c.count
    query = select(*columns).where(ranked.c.rank <= SHOWN).order_by(ranked.c.path, ranked.c.rank)
    for path, value, count in await session.execute(query):
        found.setdefault(path, []).append(ValueItem(value=value, count=count))
    return found


async def _marks(session: AsyncSession, vault: Vault | None, project: str, paths: Sequence[str]) -> dict[str, MarkItem]:
    """What was said of each; the reasons only with a vault to open them."""
    this = and_(AttributeMark.project == project, AttributeMark.path.in_(paths))
    rows: Any = await session.scalars(select(AttributeMark).where(this))
    return {
        row.path: MarkItem(
            verdict=row.verdict,
            reviewer=row.reviewer,
            reason=vault.decrypt(row.reason) if vault else None,
            created_at=row.created_at,
        )
        for row in rows
    }
