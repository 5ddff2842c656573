"""Answers that nobody needs one by one: of a part that was taken whole its manifest and its count say as much.

They are the rows that grow fastest. Once they are gone, what such a part has brought is read from its manifest.
"""

import asyncio
from collections.abc import Collection

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.manifest import part_manifest
from shared.store import Store
from shared.tables import BegunDelivery, Delivery, SentInstance, Transfer
from shared.transfers import STOPPED


async def why_needed(session: AsyncSession, store: Store, transfer: str) -> str | None:
    """Why the answers to a transfer are needed one by one; None: they are not."""
    for delivery in await session.scalars(select(Delivery).where(Delivery.transfer == transfer)):
        if delivery.refused:
            return "instances were refused"
        place = transfer, delivery.destination, delivery.series_instance_uid, delivery.revision
        if await session.get(BegunDelivery, place) is None:
            return "it was sent before beginnings were noted"
        manifest = await asyncio.to_thread(part_manifest, store, transfer, *place[2:])
        if manifest is None or len(manifest.instances) != delivery.delivered:
            return "no manifest names what was taken"
    return None


async def forget_answers(session: AsyncSession, transfer: str) -> int:
    """Delete them; how many there were. What became of each part stays."""
    gone = await session.execute(
        delete(SentInstance).where(SentInstance.transfer == transfer).returning(SentInstance.sop_instance_uid)
    )
    return len(gone.all())


async def brought_by_others(session: AsyncSession, store: Store, transfer: str, destination: str) -> Collection[str]:
    """SOP Instance UIDs that other transfers of the study, wanted ones, have brought there without an answer left."""
    answered = exists().where(
        SentInstance.transfer == Delivery.transfer,
        SentInstance.destination == Delivery.destination,
        SentInstance.series_instance_uid == Delivery.series_instance_uid,
        SentInstance.revision == Delivery.revision,
    )
    study = select(Transfer.study_instance_uid).where(Transfer.id == transfer).scalar_subquery()
    others = await session.execute(
        select(Delivery.transfer, Delivery.series_instance_uid, Delivery.revision)
        .join(Transfer, Transfer.id == Delivery.transfer)
        .where(
            Transfer.study_instance_uid == study,
            Transfer.state.not_in(STOPPED),
            Delivery.transfer != transfer,
            Delivery.destination == destination,
            Delivery.delivered > 0,
            ~answered,
        )
    )
    manifests = [await asyncio.to_thread(part_manifest, store, *part) for part in others]
    return {each.sop_instance_uid for manifest in manifests if manifest is not None for each in manifest.instances}
