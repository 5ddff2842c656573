"""The report, put together."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.api.data_protection.held import identities, participants, quarantined
from services.api.data_protection.members import members
from services.api.data_protection.places import places
from services.api.data_protection.seen import seen
from services.api.data_protection.shapes import ProjectReport, ReportedProject
from shared.store import Store
from shared.tables import Project
from shared.tables.base import now


async def report(session: AsyncSession, store: Store, project: Project) -> ProjectReport:
    """In one transaction, so that its numbers fit one another; but of files made here those that are there now."""
    enrolled, withdrawn = await participants(session, project.name)
    sights, entries = await seen(session, project.name)
    return ProjectReport(
        made_at=now(),
        project=ReportedProject(**{field: getattr(project, field) for field in ReportedProject.model_fields}),
        participants=enrolled,
        withdrawn=withdrawn,
        identities=await identities(session, project.name),
        places=await places(session, store, project),
        members=await members(session, project.name),
        quarantine=await quarantined(session, project.name),
        seen=sights,
        audit_entries=entries,
    )
