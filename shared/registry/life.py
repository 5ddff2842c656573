"""Moving a project on: its state, a step that people can see, the log, an event and mails, all in one transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.crypto import Vault
from shared.database import insert_new
from shared.events import ProjectMoved
from shared.log import logger
from shared.mail import post
from shared.registry.projects import may_move
from shared.tables import Project, ProjectExport, ProjectStep, ProjectWork
from shared.tables.base import new_id, now

log = logger("registry")


class NotNow(Exception):
    """A project in this state is not moved so by this part; the text is free of PHI."""


async def note(
    session: AsyncSession,
    project: str,
    kind: str,
    detail: str = "",
    *,
    by: str = "",
    once: str | None = None,
    at: datetime | None = None,
) -> bool:
    """Write down a step and say so in the log; False when what happens `once` has happened before."""
    row = {"project": project, "kind": kind, "detail": detail[:300], "by": by, "once": once, "at": at or now()}
    new = await insert_new(session, ProjectStep, [row]) == 1
    if new:
        log.info("project", project=project, kind=kind)
    return new


async def note_export_gone(session: AsyncSession, export: ProjectExport, why: str) -> bool:
    """Write down why the file of an export is gone, for `why_gone`; False when that was said before."""
    return await note(session, export.project, "export-gone", why, once=_gone(export.id))


async def why_gone(session: AsyncSession, project: str, exports: Iterable[str]) -> dict[str, str]:
    """Export -> why its file is gone, of those of which it was said."""
    said = {_gone(each): each for each in exports}
    steps = select(ProjectStep.once, ProjectStep.detail).where(
        ProjectStep.project == project, ProjectStep.once.in_(said)
    )
    return {said[once]: detail for once, detail in await session.execute(steps) if once}


def _gone(export: str) -> str:
    return f"export-gone {export}"


async def move(
    session: AsyncSession,
    project: Project,
    state: str,
    part: str,
    *,
    by: str = "",
    detail: str = "",
    at: datetime | None = None,
) -> ProjectMoved:
    """Bring a project, which the caller has locked, to another state. NotNow when the table of transitions has none."""
    before = project.state
    if not may_move(before, state, part):
        raise NotNow(f"a project that is {before} does not become {state} by the {part}")
    project.state = state
    if state == "archived":
        project.archived_at = at or now()
    elif before == "archived" and state != "deleted":
        project.archived_at = None
    await note(session, project.name, state, detail, by=by, at=at)
    return ProjectMoved(project=project.name, before=before, after=state)


async def work(session: AsyncSession, project: str, kind: str, export: str | None, at: datetime | None = None) -> None:
    """Ask for something that takes its time."""
    moment = at or now()
    session.add(
        ProjectWork(id=new_id(), project=project, kind=kind, export=export, created_at=moment, next_try_at=moment)
    )
    await session.flush()


async def ask_for_export(
    session: AsyncSession, project: str, *, final: bool = False, by: str = "", at: datetime | None = None
) -> ProjectExport:
    """A file with all data of a project is to be made."""
    moment = at or now()
    export = ProjectExport(id=new_id(), project=project, final=final, asked_by=by, created_at=moment)
    session.add(export)
    await session.flush()
    await work(session, project, "export", export.id, moment)
    await note(session, project, "export-asked", "final" if final else "", by=by, at=moment)
    return export


def told(project: Project) -> Sequence[str]:
    """The addresses of those who answer for a project, each once."""
    return list(dict.fromkeys(each for each in (project.pi_mail, project.manager_mail) if each))


async def tell(session: AsyncSession, vault: Vault, project: Project, subject: str, text: str) -> int:
    """Owe a mail to PI and data manager; how many there are to tell."""
    addresses = told(project)
    for address in addresses:
        await post(session, vault, address, subject, text)
    return len(addresses)
