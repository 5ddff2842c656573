"""Members: what people are in a project, or in every one."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import func, select

from services.api.actor import EVERY_PROJECT, ProjectRole, Who
from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, Limit, Login, Offset, ProjectName, Site
from services.api.people.members import grant, withdraw
from services.api.problems import documented
from services.api.projects import get_project
from shared.log import logger
from shared.service import Context
from shared.tables import Account, Membership

router = APIRouter(tags=["people"])
log = logger("api")


class NewRoles(Shape):
    """What somebody is to be."""

    model_config = example(roles=["data_entry"], sites=["Bergen"])
    roles: list[ProjectRole] = Field(min_length=1, max_length=4)
    sites: list[Site] = Field(default=[], max_length=100, description="data access groups; empty: all")


class MemberItem(Shape):
    """What somebody is in a project."""

    model_config = example(
        login="k.olsen",
        name="Kari Olsen",
        origin="local",
        roles=["data_entry"],
        sites=["Bergen"],
        granted_by="o.berg",
        created_at="2026-01-01T08:00:00Z",
    )
    login: str
    name: str
    origin: str = Field(description="local: a person has said so; ldap, oidc: a directory's group")
    roles: list[ProjectRole]
    sites: list[str]
    granted_by: str
    created_at: datetime


@router.get("/projects/{name}/members", summary="The members of a project", responses=documented("unknown-project"))
async def list_members(context: Ctx, name: ProjectName, limit: Limit = 100, offset: Offset = 0) -> Page[MemberItem]:
    """By login; without those who are members of every project."""
    async with context.database.reading() as session:
        await get_project(session, name)
    return await _page(context, name, limit, offset)


@router.put(
    "/projects/{name}/members/{login}",
    summary="Say what somebody is in a project",
    responses=documented("unknown-project", "unknown-account", "invalid-request"),
)
async def set_member(context: Ctx, who: Who, name: ProjectName, login: Login, wish: NewRoles) -> MemberItem:
    """In place of what they were."""
    async with context.database.reading() as session:
        await get_project(session, name)
    return await _set(context, name, login, wish, who.name)


@router.delete(
    "/projects/{name}/members/{login}",
    summary="Take somebody out of a project",
    status_code=204,
    responses=documented("unknown-project", "unknown-account", "unknown-member"),
)
async def remove_member(context: Ctx, name: ProjectName, login: Login) -> None:
    """Their tokens for it are good for nothing from now on; without any role left they are out."""
    await _remove(context, name, login)


@router.get("/members", summary="The members of every project")
async def list_members_everywhere(context: Ctx, limit: Limit = 100, offset: Offset = 0) -> Page[MemberItem]:
    """By login."""
    return await _page(context, EVERY_PROJECT, limit, offset)


@router.put(
    "/members/{login}",
    summary="Say what somebody is in every project",
    responses=documented("unknown-account", "invalid-request"),
)
async def set_member_everywhere(context: Ctx, who: Who, login: Login, wish: NewRoles) -> MemberItem:
    """In those to come, too."""
    return await _set(context, EVERY_PROJECT, login, wish, who.name)


@router.delete(
    "/members/{login}",
    summary="End a membership of every project",
    status_code=204,
    responses=documented("unknown-account", "unknown-member"),
)
async def remove_member_everywhere(context: Ctx, login: Login) -> None:
    """What they are in single projects stays."""
    await _remove(context, EVERY_PROJECT, login)


async def _page(context: Context, project: str, limit: int, offset: int) -> Page[MemberItem]:
    mine = Membership.project == project
    async with context.database.reading() as session:
        total = await session.scalar(select(func.count()).select_from(Membership).where(mine)) or 0
        rows = await session.execute(
            select(Membership, Account.name)
            .join(Account, Account.login == Membership.account)
            .where(mine)
            .order_by(Membership.account, Membership.origin)
            .limit(limit)
            .offset(offset)
        )
        return Page(items=[_item(row, name) for row, name in rows], total=total)


async def _set(context: Context, project: str, login: str, wish: NewRoles, by: str) -> MemberItem:
    async with context.database.session() as session:
        row = await grant(session, login, project, set(wish.roles), set(wish.sites), by)
        account = await session.get_one(Account, login)
    log.info("membership given", project=project)
    return _item(row, account.name)


async def _remove(context: Context, project: str, login: str) -> None:
    async with context.database.session() as session:
        await withdraw(session, login, project)
    log.info("membership ended", project=project)


def _item(row: Membership, name: str) -> MemberItem:
    return MemberItem(
        login=row.account,
        name=name,
        origin=row.origin,
        roles=[ProjectRole(each) for each in row.roles],
        sites=row.sites,
        granted_by=row.granted_by,
        created_at=row.created_at,
    )
