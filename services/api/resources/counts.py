"""The gateway in numbers."""

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import func, select

from services.api.answers import Shape, example
from services.api.needs import Ctx
from services.api.resources.catalogue import assigned
from shared.tables import (
    Base,
    Instance,
    InstanceConflict,
    QuarantinedInstance,
    ReviewedInstance,
    Series,
    Study,
    Transfer,
    TransferPart,
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
    waiting: int = Field(description="studies in no project")
    transfers: dict[str, int] = Field(description="by state")
    quarantined: int
    undecided: int = Field(description="in quarantine, and nobody has decided about it")
    delivered: int = Field(description="instances of all transfers, each at its destination that is least far")
    queues: dict[str, int] = Field(description="messages waiting or in hand")
    dead: int


@router.get("/counts", summary="The gateway in numbers")
async def show_counts(context: Ctx) -> Counts:
    """One consistent view of the catalogue, and the bus as it is."""
    per_destination = (
        select(
            TransferPart.transfer.label("transfer"),
            func.sum(func.coalesce(TransferPart.delivered, 0)).label("delivered"),
        )
        .group_by(TransferPart.transfer, TransferPart.destination)
        .subquery()
    )
    per_transfer = (
        select(func.min(per_destination.c.delivered).label("delivered")).group_by(per_destination.c.transfer).subquery()
    )
    async with context.database.reading() as session:

        async def count(table: type[Base]) -> int:
            return await session.scalar(select(func.count()).select_from(table)) or 0

        counted = {
            "instances": await count(Instance),
            "conflicts": await count(InstanceConflict),
            "studies": await count(Study),
            "series": await count(Series),
            "quarantined": (quarantined := await count(QuarantinedInstance)),
            "undecided": quarantined - await count(ReviewedInstance),
        }
        waiting = await session.scalar(select(func.count()).select_from(Study).where(~assigned()))
        delivered = await session.scalar(select(func.sum(per_transfer.c.delivered)))
        states = await session.execute(select(Transfer.state, func.count()).group_by(Transfer.state))
        transfers = {row[0]: row[1] for row in states}
    queues = await context.bus.depths()
    return Counts(
        **counted,
        waiting=waiting or 0,
        transfers=transfers,
        delivered=int(delivered or 0),
        queues=queues,
        dead=len(await context.bus.dead()),
    )
