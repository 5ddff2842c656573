"""The heartbeat: a made-up instance that goes the whole road and is no study on it.

The monitor notes it in `heartbeats`, sends it to the receiver, and each service that has done its part says so by
`heartbeat.passed.v1` beside the event that hands it on. What belongs to a heartbeat is marked in the events, so that
nobody catalogues, lists, audits or reports it. Only what stands in `heartbeats` is one: whoever sends a study under
such UIDs, or under the monitor's AE title, has it treated like any other.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.destinations.config import NullDestination
from shared.events import HeartbeatPassed, ReceivedInstance, Step
from shared.store import Store
from shared.tables import Heartbeat
from shared.tables.base import now

CALLING_AET: Final = "FIONA-MONITOR"
DESTINATION: Final = "(heartbeat)"
"""No destination that people make can be called so."""

TAKES_ALL: Final = NullDestination()
PROFILE: Final = "fiona"
ROOT: Final = "2.25."


class Uids(NamedTuple):
    """What a heartbeat's only instance is called."""

    study: str
    series: str
    sop: str


def uids(heartbeat: str) -> Uids:
    """The UIDs of a heartbeat, by its id."""
    study = f"{ROOT}{UUID(heartbeat).int}"
    return Uids(study, f"{study}.1", f"{study}.1.1")


def source(heartbeat: str) -> str:
    """Where the receiver has put its instance, relative to the store."""
    of = uids(heartbeat)
    return Store.instance(of.study, of.sop)


def passed(heartbeat: str, step: Step, instances: int = 1) -> HeartbeatPassed:
    """A service has done its part."""
    return HeartbeatPassed(heartbeat=heartbeat, step=step, instances=instances, at=now())


def was_one(calling_aet: str, instances: int) -> bool:
    """Whether an association may have been a heartbeat's: nobody waits for it in the catalogue."""
    return calling_aet == CALLING_AET and instances == 1


def looks_like(instances: Sequence[ReceivedInstance]) -> str | None:
    """The id of the heartbeat that these instances may be; None for almost everything, at no cost."""
    if len(instances) != 1:
        return None
    [one] = instances
    study = one.study_instance_uid
    named = one.series_instance_uid == f"{study}.1" and one.sop_instance_uid == f"{study}.1.1"
    if not named or not study.startswith(ROOT) or not (number := study.removeprefix(ROOT)).isdecimal():
        return None
    return str(UUID(int=int(number))) if int(number) < 1 << 128 else None


async def is_one(session: AsyncSession, heartbeat: str) -> bool:
    """Whether the monitor has sent it."""
    return await session.get(Heartbeat, heartbeat) is not None
