"""Resends: a transfer, a series, a study, or all of a project since a day is brought to the destinations again."""

from datetime import UTC
from typing import Self

from fastapi import APIRouter, Response
from pydantic import Field, model_validator
from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api import wishes
from services.api.actor import Actor, Who
from services.api.answers import Shape, example
from services.api.judging import bound_to
from services.api.needs import Ctx, Identity, Moment, ProjectName, Prose, Uid
from services.api.permissions import PERMISSIONS
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.resources.corrections import EXAMPLE, CorrectionItem, correction_item
from services.api.rows import get_row
from services.api.sites import is_theirs
from shared.bus import Message
from shared.events import ResendRequested
from shared.ledger import add
from shared.registry.projects import open_for_transfers, today
from shared.tables import Assignment, Correction, Project, Series, Transfer, Withdrawal
from shared.tables.base import new_id, now
from shared.transfers import leaving

router = APIRouter(tags=["corrections"])
SCOPES = ("transfer", "series", "study", "since")


class NewResend(Shape):
    """What is wanted once more, and why: one of transfer, series, study and since."""

    model_config = example(
        project="ABCD-study", study="1.2.826.0.1.3680043.8.498.1", reason="the research PACS has lost it"
    )
    project: ProjectName
    transfer: Identity | None = Field(default=None, description="what this one was asked for")
    series: Uid | None = Field(default=None, description="SeriesInstanceUID of the source")
    study: Uid | None = Field(default=None, description="StudyInstanceUID of the source")
    since: Moment | None = Field(
        default=None,
        description="every study of the project of which a transfer was asked for since then, unless something of it "
        "has to leave its destinations first",
    )
    reason: Prose = Field(description="kept encrypted: people write names")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in SCOPES) != 1:
            raise ValueError(f"one of: {', '.join(SCOPES)}")
        if self.since is not None and self.since > now():
            raise ValueError("since a time that is still to come: nothing was asked for after it")
        return self


class CorrectionDetail(CorrectionItem):
    """A correction; of a resend also how far its transfers have come."""

    model_config = example(
        **EXAMPLE | {"kind": "resend", "assignment": None, "becomes": None},
        transfers={"completed": 1},
    )
    transfers: dict[str, int] = Field(description="by state; a large one is asked for bit by bit")


@router.post(
    "/resends",
    summary="Bring something to its destinations again",
    status_code=202,
    responses=documented(
        "unknown-project",
        "unknown-transfer",
        "unknown-series",
        "unknown-assignment",
        "project-inactive",
        "project-without-destination",
        "still-leaving",
        "invalid-request",
    ),
)
async def resend(context: Ctx, who: Who, wish: NewResend, response: Response) -> CorrectionDetail:
    """By the profile and to the destinations that the project has now; each study once."""
    async with context.database.session() as session:
        await _check(session, await get_project(session, wish.project))
        study = await _study(session, wish)
        there = await wishes.in_force(session, study, wish.project) if study is not None else None
        await _check_site(session, who, wish, there)
        if study is not None and there is None:
            raise Problem("unknown-assignment", "the study is not assigned in this project")
        if study is not None and (withdrawal := await _in_the_way(session, study, wish.project)):
            said = f"what was sent of the study has to leave its destinations first: see withdrawal {withdrawal}"
            raise Problem("still-leaving", said)
        row = Correction(
            id=new_id(),
            kind="resend",
            project=wish.project,
            study_instance_uid=study,
            participant=there.participant if there is not None else None,
            series_instance_uid=wish.series,
            transfer=wish.transfer,
            since=wish.since.astimezone(UTC) if wish.since else None,
            by=who.name,
            reason=context.vault.encrypt(wish.reason),
            created_at=now(),
        )
        session.add(row)
        event = ResendRequested(
            correction=row.id,
            project=wish.project,
            study_instance_uid=study,
            series_instance_uid=wish.series,
            transfer=wish.transfer,
            since=row.since,
            after="",
        )
        await add(session, [Message.of(event)])
        await session.flush()
        item = correction_item(context.vault, who, row)
    context.relay.wake()
    response.headers["Location"] = f"/api/v1/corrections/{item.id}"
    return CorrectionDetail(**item.model_dump(), transfers={})


@router.get("/corrections/{identity}", summary="One correction", responses=documented("unknown-correction"))
async def show_correction(context: Ctx, who: Who, identity: Identity) -> CorrectionDetail:
    """With the transfers of a resend by state; they are listed by `/transfers?correction=…`."""
    async with context.database.reading() as session:
        row = await get_row(session, Correction, identity)
        states = await session.execute(
            select(Transfer.state, func.count()).where(Transfer.correction == identity).group_by(Transfer.state)
        )
        item = correction_item(context.vault, who, row)
        return CorrectionDetail(**item.model_dump(), transfers=dict(states.all()))


async def _check(session: AsyncSession, project: Project) -> None:
    if why := open_for_transfers(project, today()):
        raise Problem("project-inactive", why)
    if not project.destinations:
        raise Problem("project-without-destination")


async def _check_site(session: AsyncSession, who: Actor, wish: NewResend, there: Assignment | None) -> None:
    """A problem when one who is bound to sites means what is of others, or of the whole project."""
    if not bound_to(PERMISSIONS["resend"], who, wish.project):
        return
    if wish.since is not None:
        raise Problem("bound-to-site")
    if there is None or not await is_theirs(session, who, wish.project, there.participant):
        raise Problem("unknown-assignment", "the study is not assigned in this project")


async def _in_the_way(session: AsyncSession, study: str, project: str) -> str | None:
    """The correction by which something of the study is to leave, also while the router has not seen it."""
    seen = exists().where(Withdrawal.id == Correction.id)
    mine = Correction.study_instance_uid == study, Correction.project == project
    said = select(Correction.id).where(*mine, Correction.kind.in_(("correction", "cancel")), ~seen)
    return await leaving(session, study, project) or await session.scalar(said.limit(1))


async def _study(session: AsyncSession, wish: NewResend) -> str | None:
    """The study that is meant, if it is one."""
    if wish.transfer is not None:
        transfer = await session.get(Transfer, wish.transfer)
        if transfer is None or transfer.project != wish.project:
            raise Problem("unknown-transfer")
        return transfer.study_instance_uid
    if wish.series is not None:
        series = await get_row(session, Series, wish.series)
        return series.study_instance_uid
    return wish.study
