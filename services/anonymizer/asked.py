"""Which instances a transfer asks for, and what a reviewer has waived for each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification.errors import RELEASABLE
from shared.events import TransferRequested
from shared.tables import Instance, QuarantinedInstance, QuarantineReview, ReviewedInstance, Transfer

Released = Mapping[str, frozenset[str]]
"""SOP Instance UID -> rules that a person has waived."""


@dataclass(frozen=True)
class Asked:
    """Instances (SOP Instance UID, store-relative path), what is waived for them, and whose files are gone."""

    instances: tuple[tuple[str, str], ...]
    released: Released = field(default_factory=dict)
    gone: int = 0
    """How many of them have left the archive: `fiona janitor` or `fiona doctor` say when."""


async def asked_for(session: AsyncSession, event: TransferRequested) -> Asked:
    """What has arrived in that revision of the series, or what a review names of it."""
    query = select(Instance.sop_instance_uid, Instance.path, Instance.removed_at).order_by(Instance.sop_instance_uid)
    if event.review is None:
        query = query.where(
            Instance.series_instance_uid == event.series_instance_uid, Instance.revision == event.revision
        )
        rows = (await session.execute(query)).all()
        return Asked(_named(rows), gone=_gone(rows))
    named = (
        ReviewedInstance.review == event.review,
        ReviewedInstance.series_instance_uid == event.series_instance_uid,
        ReviewedInstance.revision == event.revision,
    )
    query = query.join(ReviewedInstance, ReviewedInstance.sop_instance_uid == Instance.sop_instance_uid).where(*named)
    rows = (await session.execute(query)).all()
    instances = _named(rows)
    return Asked(instances, await _released(session, event.review, {uid for uid, _ in instances}), _gone(rows))


Found = Sequence[Row[str, str, datetime | None]]


def _named(rows: Found) -> tuple[tuple[str, str], ...]:
    return tuple((uid, path) for uid, path, _ in rows)


def _gone(rows: Found) -> int:
    return sum(removed is not None for _, _, removed in rows)


async def in_quarantine(session: AsyncSession, event: TransferRequested) -> frozenset[str]:
    """What an earlier try of this part has put into quarantine: it may be under review already, so it stays there."""
    query = select(QuarantinedInstance.sop_instance_uid).where(
        QuarantinedInstance.transfer == event.transfer,
        QuarantinedInstance.series_instance_uid == event.series_instance_uid,
        QuarantinedInstance.revision == event.revision,
    )
    return frozenset(await session.scalars(query))


async def _released(session: AsyncSession, review_id: str | None, instances: set[str]) -> Released:
    """The rules of this review and of the releases before it, without which it would come back for the first one."""
    released: dict[str, frozenset[str]] = {}
    while review_id is not None:
        review = await session.get_one(QuarantineReview, review_id)
        if review.decision != "release":
            break
        rules = select(ReviewedInstance.sop_instance_uid, ReviewedInstance.rule)
        for uid, rule in await session.execute(rules.where(ReviewedInstance.review == review_id)):
            if uid in instances and rule in RELEASABLE:
                released[uid] = released.get(uid, frozenset()) | {rule}
        review_id = await session.scalar(select(Transfer.review).where(Transfer.id == review.transfer))
    return released
