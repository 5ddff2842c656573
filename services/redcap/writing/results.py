"""How a study is called where it was sent to: read from the de-identified files, and kept, for those do not stay."""

import asyncio
from typing import Any

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.manifest import Manifest, ManifestError, read_manifest
from shared.store import Store
from shared.tables import Delivery, RedcapResult, TransferPart

TAGS = {"study_date": "StudyDate", "study_description": "StudyDescription", "accession_number": "AccessionNumber"}


def read_result(store: Store, transfer: str, path: str) -> RedcapResult | None:
    """What the first file of a manifest says of its study; None when there is none to read."""
    try:
        manifest = read_manifest(store, path)
    except (ManifestError, ValueError):
        return None
    header = _header(store, manifest)
    if header is None:
        return None
    lengths = {"study_date": 8}
    said = {field: str(header.get(keyword) or "")[: lengths.get(field, 64)] for field, keyword in TAGS.items()}
    return RedcapResult(transfer=transfer, study_instance_uid=manifest.study_instance_uid, **said)


def _header(store: Store, manifest: Manifest) -> Any | None:
    if not manifest.instances:
        return None
    try:
        path = store / manifest.instances[0].path
        return dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS.values()))
    except (OSError, InvalidDicomError, ValueError):
        return None


async def result_of(session: AsyncSession, store: Store, transfer: str) -> RedcapResult | None:
    """What is kept; else what still lies in the store; else the UID alone, as the sender has noted it."""
    kept = await session.get(RedcapResult, transfer)
    if kept is not None:
        return kept
    parts = select(TransferPart.series_instance_uid, TransferPart.revision).where(TransferPart.transfer == transfer)
    for series, revision in (await session.execute(parts.distinct())).all():
        path = f"{Store.anonymized(transfer, series, revision)}/manifest.json"
        found = await asyncio.to_thread(read_result, store, transfer, path)
        if found is not None:
            return found
    sent = select(Delivery.target_study_instance_uid).where(Delivery.transfer == transfer, Delivery.delivered > 0)
    uid = await session.scalar(sent.limit(1))
    if uid is None:
        return None
    return RedcapResult(
        transfer=transfer, study_instance_uid=uid, study_date="", study_description="", accession_number=""
    )
