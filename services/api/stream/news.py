"""A change as it is told: how the thing stands now, by UIDs and pseudonyms only, and who may hear of it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor
from services.api.judging import projects_of, sees
from services.api.permissions import ENTERING
from services.api.resources.quarantine import OF_IT
from shared.tables import (
    Assignment,
    Change,
    Participant,
    QuarantinedInstance,
    ReviewedInstance,
    Study,
    Transfer,
)


@dataclass(frozen=True)
class News:
    """One thing that has changed, and the projects that it is in: none, a study that waits to be assigned."""

    sequence: int
    sort: str
    data: dict[str, Any]
    projects: frozenset[str] = frozenset()
    sites: Mapping[str, str] = field(default_factory=dict)
    """Project -> site of the participant there: whoever is bound to sites hears of theirs alone."""


def may_hear(who: Actor, news: News) -> bool:
    """Whether somebody may know: of their projects, there of their sites; of what waits, whoever may assign it."""
    mine = sees("watch", who)
    if mine is None:
        return True
    if not news.projects:
        return projects_of(who, *ENTERING) != frozenset()
    return any(_of_their_site(who, project, news) for project in news.projects & mine)


def _of_their_site(who: Actor, project: str, news: News) -> bool:
    mine = who.sites_in(project)
    return not mine or news.sites.get(project) in mine


async def as_they_stand(session: AsyncSession, changes: Iterable[Change]) -> list[News]:
    """Each thing once, in the order in which it changed last; what is gone meanwhile is not told of."""
    last: dict[tuple[str, str], int] = {}
    for change in changes:
        last[change.sort, change.subject] = max(change.sequence, last.get((change.sort, change.subject), 0))
    news: list[News] = []
    for sort, look in LOOKS.items():
        sequences = {subject: sequence for (each, subject), sequence in last.items() if each == sort}
        if sequences:
            news += await look(session, sequences)
    return sorted(news, key=lambda each: each.sequence)


async def _studies(session: AsyncSession, sequences: dict[str, int]) -> list[News]:
    rows = await session.scalars(select(Study).where(Study.study_instance_uid.in_(sequences)))
    mine = Assignment.study_instance_uid.in_(sequences), Assignment.in_force
    in_force = list(await session.scalars(select(Assignment).where(*mine)))
    sites = await _sites(session, in_force)
    projects: dict[str, dict[str, str]] = {}
    for each in in_force:
        projects.setdefault(each.study_instance_uid, {})[each.project] = sites.get((each.project, each.participant), "")
    return [
        News(
            sequences[row.study_instance_uid],
            "study",
            {
                "study_instance_uid": row.study_instance_uid,
                "modalities": row.modalities,
                "series": row.series_count,
                "instances": row.instance_count,
                "arrived": row.arrived_at is not None,
            },
            frozenset(projects.get(row.study_instance_uid, ())),
            projects.get(row.study_instance_uid, {}),
        )
        for row in rows
    ]


async def _assignments(session: AsyncSession, sequences: dict[str, int]) -> list[News]:
    rows = list(await session.scalars(select(Assignment).where(Assignment.study_instance_uid.in_(sequences))))
    sites = await _sites(session, rows)
    columns = ("id", "study_instance_uid", "project", "participant", "event", "refused")
    return [
        News(
            sequences[row.study_instance_uid],
            "assignment",
            {name: getattr(row, name) for name in columns} | {"ended": row.ended_at is not None},
            frozenset({row.project}),
            _at(sites, row),
        )
        for row in rows
    ]


async def _transfers(session: AsyncSession, sequences: dict[str, int]) -> list[News]:
    rows = list(await session.scalars(select(Transfer).where(Transfer.id.in_(sequences))))
    sites = await _sites(session, rows)
    columns = (
        "id", "study_instance_uid", "project", "participant", "event", "state", "error",
        "instances", "left_out", "anonymized", "quarantined", "delivered", "refused",
    )  # fmt: skip
    return [
        News(
            sequences[row.id],
            "transfer",
            {name: getattr(row, name) for name in columns},
            frozenset({row.project}),
            _at(sites, row),
        )
        for row in rows
    ]


async def _quarantine(session: AsyncSession, sequences: dict[str, int]) -> list[News]:
    of_transfers = await session.execute(select(Transfer.project, Transfer.id).where(Transfer.id.in_(sequences)))
    last: dict[str, int] = {}
    for project, transfer in of_transfers:
        last[project] = max(sequences[transfer], last.get(project, 0))
    counted = await session.execute(
        select(QuarantinedInstance.project, func.count())
        .outerjoin(ReviewedInstance, OF_IT)
        .where(QuarantinedInstance.project.in_(last), ReviewedInstance.review.is_(None))
        .group_by(QuarantinedInstance.project)
    )
    undecided = {row[0]: row[1] for row in counted}
    return [
        News(sequence, "quarantine", {"project": project, "open": undecided.get(project, 0)}, frozenset({project}))
        for project, sequence in last.items()
    ]


def _at(sites: Mapping[tuple[str, str], str], row: Assignment | Transfer) -> dict[str, str]:
    return {row.project: sites.get((row.project, row.participant), "")}


async def _sites(session: AsyncSession, rows: Sequence[Assignment | Transfer]) -> dict[tuple[str, str], str]:
    """Of the participants that rows name, the sites of those that have one."""
    named = (
        Participant.project.in_({row.project for row in rows}),
        Participant.name.in_({row.participant for row in rows}),
    )
    found = await session.execute(
        select(Participant.project, Participant.name, Participant.site).where(*named, Participant.site != "")
    )
    return {(row[0], row[1]): row[2] for row in found}


LOOKS: Final[dict[str, Callable[[AsyncSession, dict[str, int]], Awaitable[list[News]]]]] = {
    "study": _studies,
    "assignment": _assignments,
    "transfer": _transfers,
    "quarantine": _quarantine,
}
