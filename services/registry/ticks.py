"""What time does to projects: reminders before the approval ends, the archive on the day, the export a year later."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry import letters
from services.registry.clock import Clock
from services.registry.months import REMINDERS, due
from services.registry.settings import RegistrySettings
from shared.crypto import Vault
from shared.database import lock
from shared.events import Event, ProjectMoved, ProjectReminded
from shared.registry.life import ask_for_export, move, note, tell, told
from shared.registry.projects import CLOCK, OPEN
from shared.tables import Project, ProjectExport

AT_ONCE = 100
"""Projects that one tick looks at; the next ones come with the next."""


async def remind(session: AsyncSession, vault: Vault, clock: Clock) -> Sequence[Event]:
    """Tell PI and data manager that an approval ends: each of the times once, and of several missed ones the last."""
    today = clock.today()
    events: list[Event] = []
    soon = Project.ends_on > today, Project.ends_on <= today + timedelta(days=31 * max(REMINDERS))
    for project in await session.scalars(select(Project).where(Project.state.in_(OPEN), *soon)):
        ends_on = project.ends_on
        if ends_on is None or (months := due(ends_on, today)) is None:
            continue
        once = f"{months} months before {ends_on}"
        people = len(told(project))
        if await note(session, project.name, "reminded", f"{once}: {people} people", once=once, at=clock.now()):
            await tell(session, vault, project, *letters.reminder(project, ends_on))
            events.append(ProjectReminded(project=project.name, months=months, ends_on=ends_on))
    return events


async def begin(session: AsyncSession, clock: Clock) -> Sequence[Event]:
    """Say that a project takes studies from today on: those that came before the approval began are tried again."""
    begun = select(Project).where(Project.state.in_(OPEN), Project.starts_on <= clock.today())
    events: list[Event] = []
    for project in await session.scalars(begun):
        if project.starts_on is None or project.created_at.astimezone(clock.zone).date() >= project.starts_on:
            continue
        if await note(session, project.name, "begun", once=f"begun {project.starts_on}", at=clock.now()):
            events.append(ProjectMoved(project=project.name, before=project.state, after=project.state))
    return events


async def archive(session: AsyncSession, vault: Vault, clock: Clock, settings: RegistrySettings) -> Sequence[Event]:
    """Send projects whose approval has ended to the archive."""
    ended = select(Project.name).where(Project.state.in_(OPEN), Project.ends_on <= clock.today()).limit(AT_ONCE)
    events: list[Event] = []
    for name in list(await session.scalars(ended)):
        project = await session.get_one(Project, name, with_for_update=True, populate_existing=True)
        if project.state not in OPEN or project.ends_on is None or project.ends_on > clock.today():
            continue
        detail = f"the approval has ended on {project.ends_on}"
        events.append(await move(session, project, "archived", CLOCK, detail=detail, at=clock.now()))
        await tell(session, vault, project, *letters.archived(project, export_day(clock, settings)))
    return events


async def ask_for_exports(session: AsyncSession, clock: Clock, settings: RegistrySettings) -> None:
    """Ask for the final export of what has been in the archive for long enough: once for each time in the archive.

    Anew when the one that was made is gone, since something in it was taken back.
    """
    since = clock.now() - timedelta(days=settings.archive_days)
    over = select(Project.name).where(
        Project.state == "archived",
        Project.archived_at <= since,
        Project.end_provision != "keep",
        ~select(ProjectExport.id)
        .where(
            ProjectExport.project == Project.name,
            ProjectExport.final,
            ProjectExport.state != "gone",
            ProjectExport.created_at >= Project.archived_at,
        )
        .exists(),
    )
    for name in list(await session.scalars(over.limit(AT_ONCE))):
        await lock(session, "export", name)
        await ask_for_export(session, name, final=True, at=clock.now())


def export_day(clock: Clock, settings: RegistrySettings) -> date:
    """When the data of a project that is archived today will be put together."""
    return clock.today() + timedelta(days=settings.archive_days)
