"""Applications for projects: who asks agrees to the contract, and an administrator says yes or no."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor, ProjectRole, Who
from services.api.answers import Page, Shape, example
from services.api.contract import Terms
from services.api.features import Features, profile_of
from services.api.judging import conceivable
from services.api.lists import part
from services.api.needs import Ctx, Day, Identity, Limit, Line, Offset, ProjectName, Prose
from services.api.people.members import grant
from services.api.permissions import PERMISSIONS
from services.api.problems import Problem, documented
from services.api.project_fields import PEOPLE, SHAPE, Approval, BuiltIn, Destinations, ProjectFields, check_together
from services.api.projects import add_project
from services.api.rows import get_row
from services.api.stored_profiles import current, read, store_next
from shared.bus import Message
from shared.crypto import Vault
from shared.database import insert_new, lock
from shared.events import ProjectMoved
from shared.ledger import add
from shared.log import logger
from shared.mail import post
from shared.registry.life import note
from shared.tables import Account, Application, Contract, Project
from shared.tables.base import new_id, now

router = APIRouter(tags=["applications"])
log = logger("api")
VERSION = "0f2a" * 16
WISH: dict[str, Any] = {
    **SHAPE, **PEOPLE, "approval": "2026/1234", "starts_on": "2026-01-01", "ends_on": "2030-12-31", "profile": "fiona",
    "features": {"drop_presentation_states": True}, "others": [{"login": "pernille", "role": "data_entry"}],
}  # fmt: skip


Version = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class OtherUser(Shape):
    """Somebody who shall work in the project, too."""

    model_config = example(login="pernille", role="data_entry")
    login: Line = Field(min_length=1)
    role: Literal["owner", "data_manager", "data_entry", "controller"] = "data_entry"


class NewApplication(ProjectFields):
    """What somebody would like to have."""

    model_config = example(project="ABCD-study", agreed=VERSION, **WISH)
    project: ProjectName = Field(description="the name that it shall have")
    agreed: Version = Field(description="of the contract, as it is now")
    approval: Approval = Field(min_length=1, description="number of the ethics committee's (REK)")
    starts_on: Day
    ends_on: Day = Field(description="the first day without an approval")
    organisation: Line = Field(min_length=1)
    pi_name: Line = Field(min_length=1)
    profile: BuiltIn = "fiona"
    features: Features = Features()
    others: list[OtherUser] = Field(default=[], max_length=100)


class Approved(Shape):
    """What an administrator adds to a yes."""

    model_config = example(destinations=["research-pacs"])
    destinations: Destinations = Field(default=[], description="where its studies go")


class Rejected(Shape):
    """A no."""

    model_config = example(reason="The approval does not cover images.")
    reason: Prose = Field(description="for the applicant; no patient's name")


class ApplicationItem(Shape):
    """An application."""

    model_config = example(
        id="7a0c9d0e-7a55-4d0a-8d3f-3a1d54f0d0aa", project="ABCD-study", state="applied", applicant="k.olsen",
        contract=VERSION, agreed_at="2025-12-01T08:00:00Z", decided_by="", decided_at=None, reason=None, wish=WISH,
        created_at="2025-12-01T08:00:00Z",
    )  # fmt: skip
    id: str
    project: str
    state: str = Field(description="applied, approved or rejected")
    applicant: str
    contract: str = Field(description="version that the applicant has agreed to")
    agreed_at: datetime
    decided_by: str
    decided_at: datetime | None
    reason: str | None
    wish: dict[str, Any]
    created_at: datetime


class ContractItem(Shape):
    """A contract."""

    model_config = example(version=VERSION, text="# Agreement …")
    version: str
    text: str


@router.get("/contract", summary="What an applicant has to agree to")
async def show_contract(request: Request) -> ContractItem:
    """As it is now."""
    now_ = _terms(request)
    return ContractItem(version=now_.version, text=now_.text)


@router.get(
    "/contracts/{version}",
    summary="A contract to which somebody has agreed",
    responses=documented("unknown-contract"),
)
async def show_agreed_contract(context: Ctx, version: Version) -> ContractItem:
    """As it was."""
    async with context.database.reading() as session:
        row = await get_row(session, Contract, version)
    return ContractItem(version=row.version, text=row.text)


@router.post(
    "/applications",
    summary="Apply for a project",
    status_code=201,
    responses=documented("project-exists", "contract-changed", "invalid-request", "invalid-profile"),
)
async def apply(context: Ctx, who: Who, request: Request, wish: NewApplication, response: Response) -> ApplicationItem:
    """Kept with the contract as it was agreed to; an administrator decides."""
    check_together(wish.model_dump())
    if (content := profile_of(wish.project, wish.profile, wish.features)) is not None:
        read(content, "features")
    agreed = _terms(request)
    if wish.agreed != agreed.version:
        raise Problem("contract-changed")
    moment = now()
    row = Application(
        id=new_id(),
        project=wish.project,
        state="applied",
        wish=wish.model_dump(mode="json", exclude={"project", "agreed"}),
        applicant=who.name,
        contract=agreed.version,
        agreed_at=moment,
        created_at=moment,
    )
    async with context.database.session() as session:
        await lock(session, "application", wish.project)
        open_ = exists().where(Application.project == wish.project, Application.state == "applied")
        if await session.get(Project, wish.project) or await session.scalar(select(open_)):
            raise Problem("project-exists")
        await insert_new(session, Contract, [{"version": agreed.version, "text": agreed.text, "created_at": moment}])
        session.add(row)
        await note(session, wish.project, "applied", by=who.name)
    response.headers["Location"] = f"/api/v1/applications/{row.id}"
    return _item(row, context.vault)


@router.get("/applications", summary="Applications, latest first")
async def list_applications(
    context: Ctx,
    who: Who,
    state: Annotated[Literal["applied", "approved", "rejected"] | None, Query()] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[ApplicationItem]:
    """Open ones and those that were decided: one's own, and to an administrator all."""
    which = [] if _decides(who) else [Application.applicant == who.name]
    if state is not None:
        which.append(Application.state == state)
    async with context.database.reading() as session:
        latest = Application.created_at.desc(), Application.id
        rows, total = await part(session, Application, which, latest, limit, offset)
        return Page(items=[_item(row, context.vault) for row in rows], total=total)


@router.get("/applications/{identity}", summary="One application", responses=documented("unknown-application"))
async def show_application(context: Ctx, who: Who, identity: Identity) -> ApplicationItem:
    """With all that was asked for: to whoever has applied, and to an administrator."""
    async with context.database.reading() as session:
        row = await session.get(Application, identity)
    if row is None or not (row.applicant == who.name or _decides(who)):
        raise Problem("unknown-application")
    return _item(row, context.vault)


@router.post(
    "/applications/{identity}/approve",
    summary="Make the project that was applied for",
    responses=documented("unknown-application", "already-decided", "project-exists", "invalid-request"),
)
async def approve(context: Ctx, who: Who, identity: Identity, wish: Approved) -> ApplicationItem:
    """It is in development: it takes studies, and is to be tried before it goes to production."""
    async with context.database.session() as session:
        row = await _open_one(session, identity)
        asked = NewApplication(project=row.project, agreed=row.contract, **row.wish)
        values = asked.model_dump(exclude={"project", "agreed", "features", "others"})
        given = {"name": row.project, "state": "development", "destinations": wish.destinations}
        project = await add_project(session, context.vault, values | given)
        content = profile_of(row.project, asked.profile, asked.features)
        if content is not None:
            etag = (await current(session, project)).etag
            await store_next(session, project, etag, content, "as applied for", who.name)
        await _let_in(session, row, asked.others, who.name)
        row.state, row.decided_by, row.decided_at = "approved", who.name, now()
        await note(session, row.project, "development", "approved", by=who.name)
        moved = ProjectMoved(project=row.project, before="applied", after="development")
        await add(session, [Message.of(moved)])
        await _answer(session, context.vault, asked, "is approved", "You can begin to try it: it is in development.")
    context.relay.wake()
    log.info("application approved", project=row.project)
    return _item(row, context.vault)


@router.post(
    "/applications/{identity}/reject",
    summary="Say no to an application",
    responses=documented("unknown-application", "already-decided", "invalid-request"),
)
async def reject(context: Ctx, who: Who, identity: Identity, wish: Rejected) -> ApplicationItem:
    """The reason goes to the applicant's PI; the name is free again."""
    async with context.database.session() as session:
        row = await _open_one(session, identity)
        row.state, row.decided_by, row.decided_at = "rejected", who.name, now()
        row.reason = context.vault.encrypt(wish.reason)
        await note(session, row.project, "rejected", by=who.name)
        asked = NewApplication(project=row.project, agreed=row.contract, **row.wish)
        await _answer(session, context.vault, asked, "is rejected", wish.reason)
    log.info("application rejected", project=row.project)
    return _item(row, context.vault)


def _decides(who: Actor) -> bool:
    """Whether somebody may decide about applications, and so sees all; a token has to be for that."""
    return conceivable(PERMISSIONS["approve"], who)


async def _open_one(session: AsyncSession, identity: str) -> Application:
    row = await get_row(session, Application, identity, locked=True)
    if row.state != "applied":
        raise Problem("already-decided", f"it is {row.state}")
    return row


async def _let_in(session: AsyncSession, row: Application, others: list[OtherUser], by: str) -> None:
    """Whoever has applied owns the project; of the others those who have an account already come in."""
    roles = {other.login: ProjectRole(other.role) for other in others} | {row.applicant: ProjectRole.OWNER}
    known = set(await session.scalars(select(Account.login).where(Account.login.in_(roles))))
    for login in sorted(known):
        await grant(session, login, row.project, [roles[login]], by=by)
    if unknown := len(roles) - len(known):
        await note(session, row.project, "unknown-users", f"{unknown} have no account yet: they may ask for access")


async def _answer(session: AsyncSession, vault: Vault, asked: NewApplication, verdict: str, text: str) -> None:
    subject = f"{asked.project}: the application {verdict}"
    for address in dict.fromkeys(each for each in (asked.pi_mail, asked.manager_mail) if each):
        await post(session, vault, address, subject, f"The application for the research project {asked.project} "
                   f"{verdict}.\n\n{text}\n")  # fmt: skip


def _terms(request: Request) -> Terms:
    found: Terms = request.app.state.terms
    return found


def _item(row: Application, vault: Vault) -> ApplicationItem:
    reason = vault.decrypt(row.reason) if row.reason is not None else None
    shown = {name: getattr(row, name) for name in ApplicationItem.model_fields if name != "reason"}
    return ApplicationItem(**shown, reason=reason)
