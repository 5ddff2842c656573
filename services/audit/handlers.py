"""What the gateway does with patients' data by itself, noted in the transaction that takes note of the event."""

from collections.abc import Mapping

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.audit.append import append
from services.audit.whose import attributed
from shared.audit.record import Outcome, Record
from shared.crypto import Vault
from shared.events import (
    IdentitiesRemoved,
    SeriesAnonymized,
    SeriesDelivered,
    StudyArrived,
    TransferCompleted,
    TransferFailed,
)
from shared.handlers import Handlers
from shared.keys import begin_audit_key

handlers = Handlers()


@handlers.on(StudyArrived)
async def arrived(event: StudyArrived, session: AsyncSession, vault: Vault) -> None:
    """Images of a patient are here."""
    details = {"series": event.series, "instances": event.instances}
    await _note(session, vault, "indexer", "study_arrived", details, study=event.study_instance_uid)


@handlers.on(SeriesAnonymized)
async def quarantined(event: SeriesAnonymized, session: AsyncSession, vault: Vault) -> None:
    """Images were de-identified, or stay here because they could not be."""
    details = {
        "series_instance_uid": event.series_instance_uid,
        "instances": event.instances,
        "quarantined": event.quarantined,
        "left_out": event.left_out,
    }
    await _note(session, vault, "anonymizer", "series_anonymized", details, transfer=event.transfer)


@handlers.on(SeriesDelivered)
async def delivered(event: SeriesDelivered, session: AsyncSession, vault: Vault) -> None:
    """De-identified images have left the house."""
    details = {
        "series_instance_uid": event.series_instance_uid,
        "destination": event.destination,
        "delivered": event.delivered,
        "refused": event.refused,
    }
    await _note(session, vault, "sender", "series_delivered", details, transfer=event.transfer)


@handlers.on(TransferCompleted)
async def completed(event: TransferCompleted, session: AsyncSession, vault: Vault) -> None:
    """All of a transfer is where it was to go, or accounted for."""
    details = {"delivered": event.delivered, "quarantined": event.quarantined, "counted": event.counted}
    await _note(session, vault, "sender", "transfer_completed", details, transfer=event.transfer)


@handlers.on(TransferFailed)
async def failed(event: TransferFailed, session: AsyncSession, vault: Vault) -> None:
    """A transfer waits for a person."""
    details = {"refused": event.refused}
    await _note(session, vault, "sender", "transfer_failed", details, transfer=event.transfer, outcome="failed")


@handlers.on(IdentitiesRemoved)
async def forgotten(event: IdentitiesRemoved, session: AsyncSession, vault: Vault) -> None:
    """Who was examined is not known here any more."""
    for study in event.studies:
        await _note(session, vault, "indexer", "identity_removed", {"reason": event.reason}, study=study)


async def _note(
    session: AsyncSession,
    vault: Vault,
    actor: str,
    operation: str,
    details: Mapping[str, object],
    *,
    study: str | None = None,
    transfer: str | None = None,
    outcome: Outcome = "done",
) -> None:
    """Chain a record, with whose it is."""
    record = Record(
        actor=actor,
        actor_kind="service",
        operation=operation,
        outcome=outcome,
        study_instance_uid=study,
        details={**details, **({"transfer": transfer} if transfer else {})},
        correlation=structlog.contextvars.get_contextvars().get("correlation", ""),
    )
    await append(session, await begin_audit_key(session, vault), await attributed(session, [record]))
