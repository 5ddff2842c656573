"""What Incoming is told: a study, its series, its transfers. It stands inside the hospital and knows the source."""

import json
from collections.abc import Callable
from datetime import tzinfo
from hashlib import sha256
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap.mapping import Errors, Incoming
from services.redcap.tokens import INCOMING
from services.redcap.values import Clock, Day
from services.redcap.writing.lines import Line, named
from services.redcap.writing.results import result_of
from shared.crypto import Vault
from shared.store import Store
from shared.tables import QuarantinedInstance, RedcapInstance, Series, Study, StudyIdentity, Transfer, TransferPart

UNDER_WAY = ("requested", "anonymizing", "sending", "verifying")
UNFINISHED, UNVERIFIED, COMPLETE = "0", "1", "2"
"""The states of an instrument; the original calls a transfer with an error unverified."""


def hashing(how: str, vault: Vault) -> Callable[[str], str | None]:
    """How an identity is hashed: none of it when there is none, or nobody wants it."""
    ways: dict[str, Callable[[str], str]] = {
        "keyed": lambda value: vault.hash("redcap", value),
        "sha256": lambda value: sha256(value.encode()).hexdigest(),
    }
    way = ways.get(how)
    return lambda value: way(value) if way is not None and value else None


async def study_line(session: AsyncSession, vault: Vault, zone: tzinfo, names: Incoming, uid: str) -> Line | None:
    """The study; None when there is none."""
    study = await session.get(Study, uid)
    if study is None:
        return None
    identity = await session.get(StudyIdentity, uid)
    details: dict[str, Any] = json.loads(vault.decrypt(identity.details)) if identity is not None else {}
    hashed = hashing(names.identities, vault)
    arrived = study.arrived_at or study.first_seen_at
    values = named(
        names.study.model_dump(),
        description=details.get("StudyDescription"),
        date=Day(study.study_date or ""),
        time=Clock(study.study_time or ""),
        institution=details.get("InstitutionName"),
        patient_name=hashed(details.get("PatientName", "")),
        patient_id=hashed(details.get("PatientID", "")),
        calling_aet=study.calling_aet,
        called_aet=study.called_aet,
        accession_number=vault.decrypt(identity.accession_number) if identity is not None else None,
        arrived=arrived.astimezone(zone),
        complete=COMPLETE,
    )
    return Line(uid, names.event, values)


async def series_line(session: AsyncSession, names: Incoming, uid: str) -> Line | None:
    """A series; None when there is none."""
    row = (
        await session.execute(select(Series, Study.study_date).join(Study).where(Series.series_instance_uid == uid))
    ).first()
    if row is None:
        return None
    series, study_date = row
    values = named(
        names.series.model_dump(),
        uid=uid,
        description=series.description,
        date=Day(study_date or ""),
        time=Clock(str(series.header.get("SeriesTime", ""))),
        sequence_name=series.header.get("SequenceName"),
        files=series.instance_count,
        classify_types=json.dumps(series.classify_types) if series.classify_types else None,
        complete=COMPLETE,
    )
    keys = (names.series.uid,)
    return Line(series.study_instance_uid, names.event, values, names.series_instrument, uid, keys)


async def transfer_line(session: AsyncSession, store: Store, zone: tzinfo, names: Incoming, transfer: Transfer) -> Line:
    """A transfer as it stands."""
    fields = names.transfers
    result = await result_of(session, store, transfer.id)
    seconds = (transfer.finished_at - transfer.requested_at).total_seconds() if transfer.finished_at else None
    error = await errors(session, store, names.errors, transfer)
    over = transfer.state not in UNDER_WAY
    values = named(
        fields.model_dump(),
        id=transfer.id,
        requested=transfer.requested_at.astimezone(zone),
        project=transfer.project,
        participant=transfer.participant,
        event=transfer.event,
        finished=transfer.finished_at.astimezone(zone) if transfer.finished_at else None,
        error=error if over else None,
        mapped_uid=result.study_instance_uid if result is not None else None,
        message=transfer.error if over else None,
        seconds=round(seconds) if seconds is not None else None,
        complete=completeness(transfer.state),
    )
    known_by = (fields.project, fields.participant, fields.event, fields.requested)
    keys = (fields.id,) if fields.id is not None else tuple(name for name in known_by if name is not None)
    return Line(transfer.study_instance_uid, names.event, values, names.transfers_instrument, transfer.id, keys)


async def told(session: AsyncSession, transfer: Transfer) -> bool:
    """Whether Incoming has heard of it before."""
    mine = RedcapInstance.project == INCOMING, RedcapInstance.subject == transfer.id
    return bool(await session.scalar(select(exists().where(*mine))))


def completeness(state: str) -> str:
    """A transfer's state as that of its instrument: complete, under way, or ended otherwise."""
    if state == "completed":
        return COMPLETE
    return UNFINISHED if state in UNDER_WAY else UNVERIFIED


async def errors(session: AsyncSession, store: Store, codes: Errors, transfer: Transfer) -> frozenset[str]:
    """What went wrong, and whether pixels were hidden, as the original's checkbox has it."""
    refused, missing = (
        await session.execute(
            select(
                func.coalesce(func.sum(TransferPart.refused), 0),
                func.count().filter(TransferPart.anonymized.is_(None)),
            ).where(TransferPart.transfer == transfer.id)
        )
    ).one()
    stayed = select(func.count()).select_from(QuarantinedInstance).where(QuarantinedInstance.transfer == transfer.id)
    ticked = set()
    if transfer.state != "completed" and (missing or await session.scalar(stayed)):
        ticked.add(codes.deidentify)
    if refused or (transfer.state == "failed" and not ticked):
        ticked.add(codes.send)
    if any((store / f"review/{transfer.id}").glob("**/*.after.png")):
        ticked.add(codes.pixels)
    return frozenset(ticked)
