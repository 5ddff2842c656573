"""A project becomes an anonymous one: new identifiers of a key that is only ever in memory, participants and studies
in an order of their own, and not a row, a file or an event that leads from the old ones to the new ones (ADR 14).

Until the end nothing is committed: a crash leaves files that the next try removes, and that try has another key.
"""

import asyncio
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import SystemRandom
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification import Subject
from services.registry.held import Held, check_still_made, held, made
from services.registry.tools import Tools
from services.registry.unlinking import UnlinkedFiles, opened
from shared.events import Event, ProjectAnonymised, StudyUnlinked, UnlinkedSeries
from shared.registry import life
from shared.registry.life import NotNow
from shared.store import Store
from shared.tables import Project, ProjectWork

KEY_BYTES: Final = 32
PREFIX: Final = "ANON"


@dataclass(frozen=True)
class Study:
    """A study that was de-identified, with the files of each of its series."""

    participant: str
    event: str
    series: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Unlinked:
    """A study under its new identity."""

    transfer: str
    participant: str
    event: str
    series: tuple[UnlinkedFiles, ...]


async def anonymise(work: ProjectWork, tools: Tools) -> None:
    """Make the anonymous project and everything in it; then the old one is to be deleted."""
    async with tools.database.reading() as session:
        project = await session.get_one(Project, work.project)
        parts = await made(session, project.name)
        successor = await _free_name(session, project.name)
    if project.state != "archived":
        raise NotNow(f"the project is {project.state}")
    instances, missing = await asyncio.to_thread(held, tools.store, parts)
    studies = in_new_order(instances)
    unlinked = await asyncio.to_thread(_unlink, tools.store, work.id, successor, studies)
    written = sum(series.instances for study in unlinked for series in study.series)

    async def finish(session: AsyncSession) -> Sequence[Event]:
        before = await session.get_one(Project, work.project)
        await check_still_made(session, before.name, parts)
        session.add(_successor(before, successor, tools))
        await session.flush()
        left = len(instances) - written
        detail = f"as {successor}: {written} instances, {left} left behind, {missing} held no more"
        await life.note(session, before.name, "anonymised", detail, at=tools.clock.now())
        await life.note(session, successor, "made", "anonymous", at=tools.clock.now())
        await life.work(session, before.name, "delete", work.export, tools.clock.now())
        done = ProjectAnonymised(
            project=before.name, successor=successor, instances=written, left_behind=left, missing=missing
        )
        return [*(_said(successor, before.destinations, study) for study in unlinked), done]

    await tools.finish(work, finish)


def in_new_order(instances: Iterable[Held]) -> list[Study]:
    """Studies of participants with new names, both in an order that says nothing of the old one."""
    chance = SystemRandom()
    names = sorted({instance.participant for instance in instances})
    chance.shuffle(names)
    new = {name: f"{PREFIX}{number:04}" for number, name in enumerate(names, 1)}

    def study(each: Held) -> tuple[str, str, str]:
        return each.participant, each.study_instance_uid, each.event

    def series(each: Held) -> str:
        return each.series_instance_uid

    studies = []
    for (participant, _, event), group in groupby(sorted(instances, key=study), study):
        of_series = [
            (uid, tuple(sorted(each.path for each in files)))
            for uid, files in groupby(sorted(group, key=series), series)
        ]
        chance.shuffle(of_series)
        studies.append(Study(new[participant], event, tuple(of_series)))
    chance.shuffle(studies)
    return studies


def _unlink(store: Store, work: str, successor: str, studies: Sequence[Study]) -> list[Unlinked]:
    """The files of all studies, written anew. The key lives in this call and nowhere else."""
    key = secrets.token_bytes(KEY_BYTES)
    transfers = [str(uuid5(UUID(work), str(number))) for number in range(len(studies))]
    for transfer in transfers:
        shutil.rmtree(store / f"anonymized/{transfer}", ignore_errors=True)
    done = []
    with opened(store) as unlinker:
        for transfer, study in zip(transfers, studies, strict=True):
            subject = Subject(successor, study.participant, study.event, key)
            series = [
                unlinker.series(transfer, uid, [store / path for path in paths], subject) for uid, paths in study.series
            ]
            if written := tuple(each for each in series if each is not None):
                done.append(Unlinked(transfer, study.participant, study.event, written))
    return done


def _said(project: str, destinations: Sequence[str], study: Unlinked) -> StudyUnlinked:
    return StudyUnlinked(
        project=project,
        transfer=study.transfer,
        participant=study.participant,
        event=study.event,
        destinations=tuple(destinations),
        target_study_instance_uid=study.series[0].study_instance_uid,
        series=tuple(
            UnlinkedSeries(
                series_instance_uid=each.series_instance_uid, manifest=each.manifest, instances=each.instances
            )
            for each in study.series
        ),
    )


def _successor(before: Project, name: str, tools: Tools) -> Project:
    """A project that takes nothing and is kept; its own key has never made a pseudonym."""
    return Project(
        name=name,
        description="anonymous",
        participant_pattern=rf"{PREFIX}\d+",
        events=before.events,
        destinations=before.destinations,
        encrypted_key=tools.vault.encrypt(secrets.token_bytes(KEY_BYTES)),
        state="archived",
        end_provision="keep",
        organisation=before.organisation,
        pi_name=before.pi_name,
        pi_mail=before.pi_mail,
        manager_name=before.manager_name,
        manager_mail=before.manager_mail,
        created_at=tools.clock.now(),
    )


async def _free_name(session: AsyncSession, name: str) -> str:
    """The project's name with -anon behind it, and a number when there is one already."""
    for number in range(1, 1000):
        tail = "-anon" if number == 1 else f"-anon{number}"
        wish = name[: 20 - len(tail)] + tail
        if await session.scalar(select(Project.name).where(Project.name == wish)) is None:
            return wish
    raise NotNow("there is no free name for the anonymous project")
