"""What is decided about images later goes on in the trace in which they came.

Arrival is decided by looking at the catalogue, and people assign when they have time: neither has the message at hand
that brought the images. Only while traces are recorded; forgotten with the changes.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import events, tracing
from shared.bus.message import Message
from shared.database import insert_new
from shared.tables import Trace
from shared.tables.base import now

GO_ON: Final = (events.SeriesArrived, events.StudyArrived, events.TransferRequested)
"""Events that belong to the trace of their images, whatever else has led to them."""


async def note(session: AsyncSession, event: events.Event) -> None:
    """Remember what is current as the trace of the images that an event brings."""
    here = tracing.current()
    if here is None or not isinstance(event, events.InstancesReceived):
        return
    uids = {uid for each in event.instances for uid in (each.study_instance_uid, each.series_instance_uid)}
    rows = [{"subject": uid, "traceparent": here, "at": now()} for uid in sorted(uids)]
    await insert_new(session, Trace, rows)
    for row in rows:
        this = Trace.subject == row["subject"], Trace.traceparent != here
        await session.execute(update(Trace).where(*this).values(traceparent=here, at=row["at"]))


async def messages(
    session: AsyncSession, produced: Iterable[events.Event], cause: Message | None = None
) -> list[Message]:
    """Wrap events, each in the trace that it belongs to."""
    return [await _message(session, event, cause) for event in produced]


async def _message(session: AsyncSession, event: events.Event, cause: Message | None) -> Message:
    if not tracing.enabled() or not isinstance(event, GO_ON):
        return Message.of(event, cause)
    here, origin = tracing.current(), await _origin(session, event)
    if origin is None or tracing.same_trace(here, origin):
        return Message.of(event, cause)
    with tracing.span(event.name, origin, [here] if here else [], study_instance_uid=event.study_instance_uid):
        return Message.of(event, cause)


async def _origin(
    session: AsyncSession, event: events.SeriesArrived | events.StudyArrived | events.TransferRequested
) -> str | None:
    for uid in (getattr(event, "series_instance_uid", None), event.study_instance_uid):
        if uid is not None and (found := await session.get(Trace, uid)) is not None:
            return found.traceparent
    return None


async def forget(session: AsyncSession, before: datetime) -> None:
    """Traces that no collector keeps any more."""
    await session.execute(delete(Trace).where(Trace.at < before))
