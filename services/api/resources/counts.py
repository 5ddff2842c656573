"""The gateway in numbers."""

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import func, select

from services.api.answers import Shape, example
from services.api.needs import Ctx
from services.api.resources.catalogue import waiting
from shared.tables import (
    Base,
    InstanceConflict,
    QuarantinedInstance,
    ReviewedInstance,
    Study,
    Transfer,
)

router = APIRouter(tags=["counts"])


class Counts(Shape):
    """What there is, and how far it has come."""

    model_config = example(
        instances=812,
        conflicts=0,
        studies=1,
        series=4,
        waiting=0,
        transfers={"completed": 1},
        quarantined=0,
        undecided=0,
        delivered=812,
        queues={"router.study.arrived.v1": 0},
        dead=0,
    )
    instances: int = Field(description="indexed")
    conflicts: int = Field(description="other bytes under a SOP Instance UID that was taken")
    studies: int
    series: int
    waiting: int = Field(description="studies in no project whose files are here")
    transfers: dict[str, int] = Field(description="by state")
    quarantined: int
    undecided: int = Field(description="in quarantine, and nobody has decided about it")
    delivered: int = Field(description="instances of all transfers, each at its destination that is least far")
    queues: dict[str, int] = Field(description="messages waiting or in hand")
    dead: int


@router.get("/counts", summary="The gateway in numbers")
async def show_counts(context: Ctx) -> Counts:
    """One view of the database, added up from what each study and transfer says of itself; and the bus as it is."""
    async with context.database.reading() as session:

        async def count(table: type[Base]) -> int:
            return await session.scalar(select(func.count()).select_from(table)) or 0

        quarantined = await count(QuarantinedInstance)
        summed = func.coalesce(func.sum(Study.series_count), 0), func.coalesce(func.sum(Study.instance_count), 0)
        studies, series, instances = (await session.execute(select(func.count(), *summed).select_from(Study))).one()
        unassigned = await session.scalar(select(func.count()).select_from(Study).where(waiting())) or 0
        counted = {
            "conflicts": await count(InstanceConflict),
            "quarantined": quarantined,
            "undecided": quarantined - await count(ReviewedInstance),
        }
        by_state = select(Transfer.state, func.count(), func.sum(Transfer.delivered)).group_by(Transfer.state)
        transfers = [(state, number, delivered) for state, number, delivered in await session.execute(by_state)]
    queues = await context.bus.depths()
    return Counts(
        **counted,
        studies=studies,
        series=series,
        instances=instances,
        waiting=unassigned,
        transfers={state: number for state, number, _ in transfers},
        delivered=sum(delivered for _, _, delivered in transfers),
        queues=queues,
        dead=len(await context.bus.dead()),
    )
