"""What is decided later about images goes on in the trace in which they came, on either database and bus."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import select

from shared import tracing
from shared.bus import Delivery, Message
from shared.database import Database
from shared.events import InstancesReceived, ReceivedInstance, SeriesArrived, StudyAssigned, TransferRequested
from shared.handlers import Handlers
from shared.ledger import Relay, lineage
from shared.service.composition import Service
from shared.service.processor import Processor
from shared.settings import Settings
from shared.tables import OutboxEntry, Trace
from shared.tables.base import now
from shared.tracing.export import configure
from tests.components.otlp import Collector

STUDY, SERIES = "1.2.3", "1.2.3.4"
ORIGIN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PERSON = "00-1111111916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
INSTANCE = ReceivedInstance(
    study_instance_uid=STUDY,
    series_instance_uid=SERIES,
    sop_instance_uid="1.2.3.4.5",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    path="archive/scp_1.2.3/1.2.3.4.5.dcm",
    size=1,
)
RECEIVED = InstancesReceived(
    association="a", calling_aet="CT1", called_aet="FIONA", caller_ip="127.0.0.1", instances=(INSTANCE,)
)
ARRIVED = SeriesArrived(study_instance_uid=STUDY, series_instance_uid=SERIES, revision=1, instances=1, total=1)
ASSIGNED = StudyAssigned(study_instance_uid=STUDY, project="PROJECT", participant="P1", event="", assignment="a")
REQUESTED = TransferRequested(
    transfer="t",
    parts=1,
    project="PROJECT",
    participant="P1",
    event="",
    destinations=("research",),
    profile="basic",
    profile_version=0,
    study_instance_uid=STUDY,
    series_instance_uid=SERIES,
    revision=1,
    instances=1,
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
async def traced(collector: Collector) -> AsyncIterator[None]:
    end = configure(Settings.model_validate({"otlp_endpoint": collector.url}), ["tested"])
    yield
    end()


class NoRelay(Relay):
    """Nothing is published here."""

    def __init__(self) -> None:
        """It needs nothing."""

    def wake(self) -> None:
        """It sleeps on."""


async def handled(database: Database, event: InstancesReceived | StudyAssigned, traceparent: str) -> list[Message]:
    """Let a service handle it as it would come over a bus; what it then owes to the bus."""
    handlers = Handlers()

    @handlers.on(InstancesReceived)
    async def index(event: InstancesReceived) -> None:
        """As the indexer: arrival is decided later."""

    @handlers.on(StudyAssigned)
    async def assigned(event: StudyAssigned) -> list[TransferRequested]:
        """As the router."""
        return [REQUESTED]

    processor = Processor(Service(name="tested", handlers=handlers), {}, database, NoRelay())
    with tracing.span("before", traceparent):
        message = Message.from_bytes(Message.of(event).to_bytes())
    await processor(Delivery(f"tested.{event.name}", message, 0))
    async with database.reading() as session:
        owed = await session.scalars(select(OutboxEntry.content).order_by(OutboxEntry.sequence))
        return [Message.from_bytes(content) for content in owed]


@pytest.mark.usefixtures("traced")
async def test_arrival_and_assignment_by_hand(database: Database, collector: Collector) -> None:
    await handled(database, RECEIVED, ORIGIN)
    async with database.session() as session:
        [arrived] = await lineage.messages(session, [ARRIVED])
    assert tracing.same_trace(arrived.traceparent, ORIGIN)
    [requested] = await handled(database, ASSIGNED, PERSON)
    assert tracing.same_trace(requested.traceparent, ORIGIN)
    async with database.session() as session:
        await lineage.forget(session, now())
        assert (await session.scalars(select(Trace))).all() == []
        [unknown] = await lineage.messages(session, [ARRIVED])
    assert unknown.traceparent is None


async def test_without_traces_nothing_is_written(sqlite: Database) -> None:
    await handled(sqlite, RECEIVED, ORIGIN)
    async with sqlite.reading() as session:
        assert (await session.scalars(select(Trace))).all() == []
