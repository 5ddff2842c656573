"""What a project's own REDCap project is told: participants, and their studies as they were sent, never a source."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap.definition.schema import Schema
from services.redcap.mapping import OneProject
from services.redcap.values import Day, Value
from services.redcap.writing.lines import Line, named
from services.redcap.writing.results import result_of
from shared.store import Store
from shared.tables import Participant, Transfer

SENT = ("completed", "quarantined")
"""States of a transfer whose images stand there: not of one that has failed, was stopped, or is being taken back."""


async def withdrawn(session: AsyncSession, project: str, participant: str) -> bool:
    """Whether somebody's consent was withdrawn: of them REDCap is told nothing any more."""
    row = await session.get(Participant, (project, participant))
    return row is not None and row.withdrawn_at is not None


def participant_line(names: OneProject, schema: Schema, participant: str, event: str | None, site: str) -> Line:
    """A participant at an event, in the data access group of the site if the mapping names one.

    Without names where their instrument is not for that event.
    """
    values: Mapping[str, Value] = {
        name: participant for name in names.names if name not in schema.fields or not schema.lacks(event, None, [name])
    }
    return Line(participant, event, values, group=names.groups.get(site))


async def site_of(session: AsyncSession, project: str, participant: str) -> str:
    """The participant's; empty: none."""
    row = await session.get(Participant, (project, participant))
    return row.site if row is not None else ""


def event_of(names: OneProject, schema: Schema, event: str) -> str:
    """The unique name of a project's event in its REDCap project. Raises Unfit."""
    wanted = names.events.get(event, event)
    return schema.event(wanted, names.arm) if schema.longitudinal else wanted


def basics(names: OneProject, schema: Schema) -> list[str]:
    """The instruments that every event has: those of the names."""
    return list(dict.fromkeys(schema.fields[name].form for name in names.names if name in schema.fields))


def first_event(names: OneProject, schema: Schema) -> str | None:
    """Where a participant stands of whom nothing was sent yet."""
    if not schema.longitudinal:
        return None
    return names.event if names.event is not None else next(iter(schema.events), None)


async def imaging_lines(
    session: AsyncSession, store: Store, names: OneProject, schema: Schema, transfer: Transfer
) -> list[Line]:
    """The participant at the event of the study, and the study among the images; none when nothing was sent.

    Raises Unfit.
    """
    result = await result_of(session, store, transfer.id)
    if result is None:
        return []
    at = event_of(names, schema, transfer.event)
    site = await site_of(session, transfer.project, transfer.participant)
    event = at if schema.longitudinal else None
    where = names.event if schema.longitudinal and names.event is not None else event
    values = named(
        names.imaging.model_dump(),
        uid=result.study_instance_uid,
        event=at,
        date=Day(result.study_date),
        description=result.study_description,
        accession_number=result.accession_number,
        complete="2",
    )
    keys = (names.imaging.uid,)
    return [
        participant_line(names, schema, transfer.participant, event, site),
        Line(transfer.participant, where, values, names.instrument, result.study_instance_uid, keys),
    ]
