"""What the gateway does with patients' data by itself, noted in the transaction that takes note of the event."""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.audit.account import TOLD, records_of
from services.audit.append import append
from services.audit.whose import attributed
from shared.crypto import Vault
from shared.events import Event
from shared.handlers import Handlers
from shared.keys import begin_audit_key

handlers = Handlers()


async def note(event: Event, session: AsyncSession, vault: Vault) -> None:
    """Chain what is recorded of an event, with whose it is; a heartbeat is nobody's."""
    if getattr(event, "heartbeat", None):
        return
    correlation = structlog.contextvars.get_contextvars().get("correlation", "")
    key = await begin_audit_key(session, vault)
    await append(session, key, await attributed(session, records_of(event, correlation)))


for _event in TOLD:
    handlers.on(_event)(note)
