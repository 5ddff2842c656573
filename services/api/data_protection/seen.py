"""Who did, saw or was refused something of a project, by the audit."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.data_protection.held import studies_of
from services.api.data_protection.shapes import Sight
from shared.tables import AuditEntry


async def seen(session: AsyncSession, project: str) -> tuple[list[Sight], int]:
    """By person, program and service, whoever did most first; and how many entries that are."""
    concerns = or_(AuditEntry.project == project, AuditEntry.study_instance_uid.in_(studies_of(project)))
    query = (
        select(
            AuditEntry.actor_kind,
            AuditEntry.actor,
            AuditEntry.operation,
            AuditEntry.outcome,
            func.count(),
            func.min(AuditEntry.at),
            func.max(AuditEntry.at),
        )
        .where(concerns)
        .group_by(AuditEntry.actor_kind, AuditEntry.actor, AuditEntry.operation, AuditEntry.outcome)
    )
    by_actor: dict[tuple[str, str], list[Any]] = {}
    for row in await session.execute(query):
        by_actor.setdefault((row[0], row[1]), []).append(row[2:])
    found = [_sight(kind, actor, rows) for (kind, actor), rows in by_actor.items()]
    found.sort(key=lambda each: (each.actor_kind == "service", -(each.done + each.refused + each.failed), each.actor))
    return found, sum(each.done + each.refused + each.failed for each in found)


def _sight(kind: str, actor: str, rows: Iterable[Any]) -> Sight:
    counts = {"done": 0, "refused": 0, "failed": 0}
    operations: dict[str, int] = {}
    rows = list(rows)
    for operation, outcome, count, _, _ in rows:
        # What was never answered may have been done.
        counts["done" if outcome == "unanswered" else outcome] += count
        operations[operation] = operations.get(operation, 0) + count
    return Sight(
        actor=actor,
        actor_kind=kind,
        **counts,
        first=min(row[3] for row in rows),
        last=max(row[4] for row in rows),
        operations=dict(sorted(operations.items(), key=lambda pair: (-pair[1], pair[0]))),
    )
