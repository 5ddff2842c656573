"""A project's data for its PI: what is held of its images, and its tables, none of which names a source."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry import letters
from services.registry.bundle import Table, write_bundle
from services.registry.held import check_still_made, held, made
from services.registry.tools import Tools
from shared.events import Event, ProjectExported
from shared.registry.life import note, tell
from shared.tables import Participant, Project, ProjectExport, ProjectProfile, ProjectWork, Transfer

ABOUT: Final = (
    "name", "description", "organisation", "pi_name", "pi_mail", "manager_name", "manager_mail", "approval",
    "starts_on", "ends_on", "end_provision", "participant_pattern", "events", "events_without_images", "profile",
)  # fmt: skip
TRANSFERS: Final = (
    "id", "participant", "event", "state", "profile", "profile_version", "profile_digest", "instances", "left_out",
    "counted", "requested_at", "finished_at",
)  # fmt: skip


async def export(work: ProjectWork, tools: Tools) -> None:
    """Write the file, then say so. Done again after a crash it replaces the file."""
    async with tools.database.reading() as session:
        project = await session.get_one(Project, work.project)
        row = await session.get_one(ProjectExport, work.export)
        parts = await made(session, project.name)
        texts = {"project.json": _about(project)} | await _profiles(session, project)
        tables = await _tables(session, project)
    path = tools.store.export(project.name, row.id)
    instances, missing = await asyncio.to_thread(held, tools.store, parts)
    moment = tools.clock.now()
    about = {
        "project": project.name,
        "made_at": moment.isoformat(timespec="seconds"),
        "instances": len(instances),
        "instances_held_no_more": missing,
    }
    bundle = await asyncio.to_thread(write_bundle, tools.store / path, tools.store, about, texts, tables, instances)

    async def finish(session: AsyncSession) -> Sequence[Event]:
        project = await session.get_one(Project, work.project)
        # The row first: whoever takes something back waits for it, or has done so before this looks.
        row = await session.get_one(ProjectExport, work.export, with_for_update=True)
        await check_still_made(session, project.name, parts)
        row.state, row.path, row.sha256, row.size = "ready", path, bundle.sha256, bundle.size
        row.instances, row.missing, row.made_at = bundle.instances, missing, moment
        detail = f"{bundle.instances} instances, {bundle.size} bytes" + (f", {missing} held no more" if missing else "")
        await note(session, project.name, "exported", detail, at=moment)
        await tell(session, tools.vault, project, *letters.exported(project, row.id, row.final, missing))
        return [
            ProjectExported(
                project=project.name, export=row.id, final=row.final, instances=bundle.instances, missing=missing
            )
        ]

    await tools.finish(work, finish)


def _about(project: Project) -> str:
    content = {name: getattr(project, name) for name in ABOUT}
    return json.dumps(content, default=str, ensure_ascii=False, indent=1)


async def _profiles(session: AsyncSession, project: Project) -> dict[str, str]:
    """Every version of the project's own profile."""
    rows = await session.scalars(select(ProjectProfile).where(ProjectProfile.project == project.name))
    return {f"profiles/{row.version}.yaml": row.content for row in rows}


async def _tables(session: AsyncSession, project: Project) -> dict[str, Table]:
    """Whoever has withdrawn consent is in none of them."""
    mine = Participant.project == project.name
    participants = await session.execute(
        select(Participant.name, Participant.site, Participant.created_at)
        .where(mine, Participant.withdrawn_at.is_(None))
        .order_by(Participant.name)
    )
    withdrawn = select(Participant.name).where(mine, Participant.withdrawn_at.is_not(None))
    transfers = await session.scalars(
        select(Transfer)
        .where(Transfer.project == project.name, Transfer.participant.not_in(withdrawn))
        .order_by(Transfer.requested_at, Transfer.id)
    )
    without = set(project.events_without_images)
    return {
        "participants.csv": (("participant", "site", "since"), [list(row) for row in participants]),
        "events.csv": (("event", "images"), [(name, "no" if name in without else "yes") for name in project.events]),
        "transfers.csv": (TRANSFERS, [_row(transfer) for transfer in transfers]),
    }


def _row(transfer: Transfer) -> list[Any]:
    return [getattr(transfer, name) for name in TRANSFERS]
