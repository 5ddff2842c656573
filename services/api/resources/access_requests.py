"""Who asks to work in a project that is there; its PI, or whom that has made an owner, says yes or no."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import ProjectRole, Who
from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.needs import Ctx, Identity, Limit, Offset, ProjectName
from services.api.people.accounts import get_account
from services.api.people.actors import actor_of
from services.api.people.members import grant
from services.api.problems import Problem, documented
from services.api.projects import check_open, get_project
from shared.database import lock
from shared.mail import post
from shared.registry.life import note
from shared.tables import AccessRequest, Membership
from shared.tables.base import new_id, now

router = APIRouter(tags=["projects"])
State = Literal["asked", "granted", "declined"]


class NewAccessRequest(Shape):
    """What somebody would like to be in a project."""

    model_config = example(role="data_entry")
    role: Literal["owner", "data_manager", "data_entry", "controller"] = "data_entry"


class AccessRequestItem(Shape):
    """A request."""

    model_config = example(
        id="7a0c9d0e-7a55-4d0a-8d3f-3a1d54f0d0aa", project="ABCD-study", person="pernille", role="data_entry",
        state="asked", decided_by="", decided_at=None, created_at="2026-01-01T08:00:00Z",
    )  # fmt: skip
    id: str
    project: str
    person: str
    role: str
    state: str
    decided_by: str
    decided_at: datetime | None
    created_at: datetime


@router.post(
    "/projects/{name}/access-requests",
    summary="Ask to work in a project",
    status_code=201,
    responses=documented("unknown-project", "project-closed", "already-asked", "invalid-request"),
)
async def ask_for_access(
    context: Ctx, who: Who, name: ProjectName, wish: NewAccessRequest, response: Response
) -> AccessRequestItem:
    """For oneself; the PI is told by mail."""
    row = AccessRequest(id=new_id(), project=name, person=who.name, role=wish.role, state="asked", created_at=now())
    async with context.database.session() as session:
        await lock(session, "access", name)
        project = await get_project(session, name)
        check_open(project)
        same = AccessRequest.project == name, AccessRequest.person == who.name, AccessRequest.state == "asked"
        if await session.scalar(select(exists().where(*same))):
            raise Problem("already-asked")
        session.add(row)
        if project.pi_mail:
            said = f"Somebody asks to work in the research project {name} ({wish.role}).\n"
            said += f"`fiona project requests {name}` shows who; `grant` or `decline` answers.\n"
            await post(session, context.vault, project.pi_mail, f"{name}: somebody asks for access", said)
    response.headers["Location"] = f"/api/v1/projects/{name}/access-requests"
    return _item(row)


@router.get(
    "/projects/{name}/access-requests",
    summary="Who asks to work in a project, latest first",
    responses=documented("unknown-project"),
)
async def list_access_requests(
    context: Ctx,
    name: ProjectName,
    state: Annotated[State | None, Query()] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[AccessRequestItem]:
    """And what became of it."""
    which = [AccessRequest.project == name, *([] if state is None else [AccessRequest.state == state])]
    async with context.database.reading() as session:
        await get_project(session, name)
        latest = AccessRequest.created_at.desc(), AccessRequest.id
        rows, total = await part(session, AccessRequest, which, latest, limit, offset)
        return Page(items=[_item(row) for row in rows], total=total)


DECISION = documented("unknown-project", "unknown-access-request", "unknown-account", "already-decided")


@router.post("/projects/{name}/access-requests/{identity}/grant", summary="Let somebody in", responses=DECISION)
async def grant_access(context: Ctx, who: Who, name: ProjectName, identity: Identity) -> AccessRequestItem:
    """In the role that was asked for, beside those that they have, and at no more sites than those bind them to."""
    async with context.database.session() as session:
        row = await _decided(session, name, identity, "granted", who.name)
        had = await session.get(Membership, (row.person, name, "local"))
        roles = {ProjectRole(row.role), *map(ProjectRole, had.roles if had else ())}
        bound = (await actor_of(session, await get_account(session, row.person))).sites.get(name, ())
        await grant(session, row.person, name, roles, had.sites if had else bound, by=who.name)
        return _item(row)


@router.post(
    "/projects/{name}/access-requests/{identity}/decline", summary="Do not let somebody in", responses=DECISION
)
async def decline_access(context: Ctx, who: Who, name: ProjectName, identity: Identity) -> AccessRequestItem:
    """They may ask again."""
    async with context.database.session() as session:
        return _item(await _decided(session, name, identity, "declined", who.name))


async def _decided(session: AsyncSession, project: str, identity: str, state: State, by: str) -> AccessRequest:
    await get_project(session, project)
    row = await session.get(AccessRequest, identity, with_for_update=True)
    if row is None or row.project != project:
        raise Problem("unknown-access-request")
    if row.state != "asked":
        raise Problem("already-decided", f"it is {row.state}")
    row.state, row.decided_by, row.decided_at = state, by, now()
    await note(session, project, f"access-{state}", row.role, by=by)
    return row


def _item(row: AccessRequest) -> AccessRequestItem:
    return AccessRequestItem.model_validate(row, from_attributes=True)
