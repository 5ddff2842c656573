"""The end of a project, in steps that each leave a consistent rest: whoever takes up after a crash finds what is left.

Destinations are asked to delete, and what they cannot is listed; then files here go, then rows, last the key.
"""

import asyncio
import shutil
from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.registry import letters
from services.registry.gone import forget_project, forget_transfers
from services.registry.tools import Tools
from shared.bus import Message
from shared.database import insert_new
from shared.events import Event, ProjectMoved, ProjectWithdrawn, StudyForgotten
from shared.ledger import add
from shared.registry import life
from shared.registry.life import NotNow
from shared.registry.projects import CLOCK
from shared.store import Store
from shared.tables import (
    Assignment,
    Project,
    ProjectExport,
    ProjectLeftover,
    ProjectStep,
    ProjectWork,
    Transfer,
    Withdrawal,
    WithdrawalPart,
)


async def delete(work: ProjectWork, tools: Tools) -> None:
    """Everything of a project goes but that it was there."""
    async with tools.database.reading() as session:
        project = await session.get_one(Project, work.project)
        transfers = list(await session.scalars(select(Transfer.id).where(Transfer.project == project.name)))
    if project.state != "archived":
        raise NotNow(f"the project is {project.state}")
    await _withdrawn(work, tools)
    await asyncio.to_thread(_remove_files, tools.store, project.name, transfers)
    await _step(tools, project.name, "files-removed", f"{len(transfers)} transfers")
    more = True
    while more:
        async with tools.database.session() as session:
            more = await forget_transfers(session, project.name)

    async def finish(session: AsyncSession) -> Sequence[Event]:
        project = await session.get_one(Project, work.project, with_for_update=True)
        forgotten = await _only_here(session, project.name)
        await forget_project(session, project)
        for export in await session.scalars(select(ProjectExport).where(ProjectExport.project == project.name)):
            export.state = "gone"
        project.encrypted_key = tools.vault.encrypt(b"")
        project.active = False
        moved: ProjectMoved = await life.move(session, project, "deleted", CLOCK, at=tools.clock.now())
        await life.tell(session, tools.vault, project, *letters.ended(project, await _successor(session, project.name)))
        return [*(StudyForgotten(study_instance_uid=uid) for uid in forgotten), moved]

    await tools.finish(work, finish)


async def _withdrawn(work: ProjectWork, tools: Tools) -> None:
    """Return when every destination has answered, and what it could not delete is listed; NotNow until then."""
    async with tools.database.session() as session:
        withdrawal = await session.get(Withdrawal, work.id)
        if withdrawal is None:
            await add(session, [Message.of(ProjectWithdrawn(project=work.project, withdrawal=work.id))])
            detail = "the destinations are asked to delete"
            await life.note(session, work.project, "withdrawing", detail, once="withdrawing", at=tools.clock.now())
    tools.relay.wake()
    if withdrawal is None:
        raise NotNow("the destinations are asked to delete")
    async with tools.database.session() as session:
        parts = list(await session.scalars(select(WithdrawalPart).where(WithdrawalPart.project == work.project)))
        if asked := sum(part.state == "asked" for part in parts):
            raise NotNow(f"{asked} of {len(parts)} transfers have not left their destinations yet")
        by_hand = {
            (part.destination, part.target_study_instance_uid)
            for part in parts
            if part.state == "by_hand" and part.target_study_instance_uid is not None
        }
        left = [
            {"project": work.project, "destination": destination, "study_instance_uid": uid, "done_by": ""}
            for destination, uid in sorted(by_hand)
        ]
        await insert_new(session, ProjectLeftover, left)
        detail = f"{len(left)} studies are left to be removed by hand" if left else "nothing is left there"
        await life.note(session, work.project, "withdrawn", detail, once="withdrawn", at=tools.clock.now())


def _remove_files(store: Store, project: str, transfers: Sequence[str]) -> None:
    folders = [store / f"{kind}/{transfer}" for transfer in transfers for kind in ("anonymized", "review")]
    folders.append(store / f"exports/{project}")
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    if left := sum(folder.exists() for folder in folders):
        raise NotNow(f"{left} folders cannot be removed")


async def _only_here(session: AsyncSession, project: str) -> Sequence[str]:
    """The studies that are here for this project alone: their originals are to go, and with them who they were of."""
    other = aliased(Assignment)
    elsewhere = exists().where(
        other.study_instance_uid == Assignment.study_instance_uid, other.project != project, other.in_force
    )
    only_here = select(Assignment.study_instance_uid).where(
        Assignment.project == project, Assignment.in_force, ~elsewhere
    )
    return sorted(set(await session.scalars(only_here)))


async def _step(tools: Tools, project: str, kind: str, detail: str) -> None:
    async with tools.database.session() as session:
        await life.note(session, project, kind, detail, once=kind, at=tools.clock.now())


async def _successor(session: AsyncSession, project: str) -> str | None:
    """The anonymous project that was made of this one."""
    made = select(ProjectStep.detail).where(ProjectStep.project == project, ProjectStep.kind == "anonymised")
    detail = await session.scalar(made.order_by(ProjectStep.id.desc()).limit(1))
    return detail.removeprefix("as ").partition(":")[0] if detail else None
