"""What a transfer has brought to a destination leaves it, where the destination has a way; else it is said so."""

from services.sender.brought import Brought, brought
from services.sender.clients import Withdrawn
from services.sender.destinations import Destinations
from shared.database import Database
from shared.events import WithdrawalAnswered, WithdrawalRequested
from shared.handlers import Reject
from shared.store import Store

NO_WAY = "the destination has no way to delete"
STAY = "{} stay: another transfer has brought them, too"


async def withdraw_all(
    event: WithdrawalRequested, database: Database, store: Store, destinations: Destinations
) -> WithdrawalAnswered:
    """Delete exactly what this transfer has brought, and count what is left of it. Retry when it is down."""
    async with database.reading() as session:
        found = await brought(session, store, event.transfer, event.destination)
    if found.nameless:
        return _answer(event, found, 0, "nobody knows any more under which UIDs the destination has them")
    if not found.leaving:
        return _answer(event, found, 0)
    try:
        async with destinations.open(event.destination) as opened:
            gone = await opened.client.withdraw(found.leaving)
    except Reject as rejected:
        return _answer(event, found, 0, rejected.why)
    if gone is None:
        return _answer(event, found, 0, NO_WAY)
    return _answer(event, found, *_left(found, gone))


def _left(found: Brought, gone: Withdrawn) -> tuple[int, str]:
    return len(found.leaving) - gone.left, f"{gone.left} are still there" if gone.left else ""


def _answer(event: WithdrawalRequested, found: Brought, withdrawn: int, why: str = "") -> WithdrawalAnswered:
    said = [why] if why else []
    if found.staying:
        said.append(STAY.format(found.staying))
    return WithdrawalAnswered(
        withdrawal=event.withdrawal,
        transfer=event.transfer,
        destination=event.destination,
        outcome="by_hand" if why else "withdrawn",
        instances=len(found.leaving) + found.nameless,
        withdrawn=withdrawn,
        target_study_instance_uid=found.study_instance_uid,
        reason="; ".join(said),
        attempt=event.attempt,
    )
