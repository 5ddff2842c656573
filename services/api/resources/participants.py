"""Participants: added by people under the project's naming pattern, or made up by the project; of one's site only."""

from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy import Row, Select, func, select

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.lists import from_nearer_end
from services.api.needs import Ctx, Limit, Offset, ProjectName, Site
from services.api.needs import Participant as Name
from services.api.participation import check_name
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.sites import site_for, visible
from shared.registry.made_up import NoAutoId, next_participant
from shared.registry.participants import ensure_participant
from shared.registry.projects import open_for_transfers, today
from shared.tables import Assignment, Participant

router = APIRouter(tags=["participants"])
EXAMPLE = {"name": "ABCD-0017", "site": "north"}


class NewParticipant(Shape):
    """A participant to be added; without a name it is the next that the project makes up."""

    model_config = example(**EXAMPLE)
    name: Name | None = Field(default=None, description="null: the project makes one up (auto_id_pattern)")
    site: Site | None = Field(default=None, description="data access group; null: one's own, or none")


class ParticipantItem(Shape):
    """A pseudonym that a project uses."""

    model_config = example(
        **EXAMPLE,
        origin="person",
        created_by="k.olsen",
        created_at="2026-01-02T10:33:00Z",
        withdrawn_at=None,
        studies=2,
    )
    name: str
    site: str = Field(description="data access group; empty: of no site")
    origin: str = Field(description="person, auto, coupling or rule; empty: not noted")
    created_by: str = Field(description="empty: the gateway itself")
    created_at: datetime
    withdrawn_at: datetime | None = Field(description="when consent was withdrawn")
    studies: int


@router.get(
    "/projects/{name}/participants",
    summary="The participants of a project",
    responses=documented("unknown-project"),
)
async def list_participants(
    context: Ctx,
    who: Who,
    name: ProjectName,
    site: Annotated[Site | None, Query(description="of this data access group")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[ParticipantItem]:
    """By pseudonym, with the number of their studies; to whoever is bound to sites, those of the sites."""
    mine = [Participant.project == name, *visible(who, name)]
    if site is not None:
        mine.append(Participant.site == site)
    async with context.database.reading() as session:
        await get_project(session, name)
        total = await session.scalar(select(func.count()).select_from(Participant).where(*mine)) or 0
        names = from_nearer_end(select(Participant.name).where(*mine), [Participant.name], total, limit, offset)
        page = Participant.project == name, Participant.name.in_(names)
        rows = await session.execute(_with_studies().where(*page).order_by(Participant.name))
        return Page(items=[_item(row) for row in rows], total=total)


@router.get(
    "/projects/{name}/participants/{participant:path}",
    summary="One participant",
    responses=documented("unknown-project", "unknown-participant"),
)
async def show_participant(context: Ctx, who: Who, name: ProjectName, participant: Name) -> ParticipantItem:
    """The same as in the list."""
    this = [Participant.project == name, Participant.name == participant, *visible(who, name)]
    async with context.database.reading() as session:
        await get_project(session, name)
        row = (await session.execute(_with_studies().where(*this))).first()
    if row is None:
        raise Problem("unknown-participant")
    return _item(row)


@router.post(
    "/projects/{name}/participants",
    summary="Add a participant, or have the next one made up",
    status_code=201,
    responses=documented(
        "unknown-project",
        "other-site",
        "project-inactive",
        "participant-exists",
        "no-auto-id",
        "invalid-request",
        "participant-not-allowed",
        "participant-resembles-patient",
    ),
)
async def add_participant(
    context: Ctx, who: Who, name: ProjectName, wish: NewParticipant, response: Response
) -> ParticipantItem:
    """Before there is a study of it, or so that somebody can write the name on a form."""
    async with context.database.session() as session:
        project = await get_project(session, name)
        if why := open_for_transfers(project, today()):
            raise Problem("project-inactive", why)
        site = site_for(who, name, wish.site)
        if wish.name is None:
            try:
                made = await next_participant(session, project, site, who.name)
            except NoAutoId as none:
                raise Problem("no-auto-id", str(none)) from None
        else:
            made = wish.name
            check_name(project, made)
            if not await ensure_participant(session, name, made, origin="person", site=site, by=who.name):
                raise Problem("participant-exists")
        row = (
            await session.execute(_with_studies().where(Participant.project == name, Participant.name == made))
        ).one()
    response.headers["Location"] = f"/api/v1/projects/{name}/participants/{quote(made, safe='')}"
    return _item(row)


def _with_studies() -> Select[Participant, int]:
    studies = (
        select(func.count(Assignment.study_instance_uid.distinct()))
        .where(
            Assignment.project == Participant.project,
            Assignment.participant == Participant.name,
            Assignment.in_force,
        )
        .correlate(Participant)
        .scalar_subquery()
    )
    return select(Participant, studies)


def _item(row: Row[Participant, int]) -> ParticipantItem:
    participant, studies = row
    fields = {field: getattr(participant, field) for field in ParticipantItem.model_fields if field != "studies"}
    return ParticipantItem(**fields, studies=studies)
