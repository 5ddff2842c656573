"""Sends heartbeats, and says how they fare."""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import delete, select

from services.monitor import metrics
from services.monitor.beat import send_image
from services.monitor.leaving import remove_files
from services.monitor.neighbours import receiver
from services.monitor.probes import Ground
from services.monitor.readings import Reading, lasting
from shared.heartbeat.image import write_image
from shared.moments import AHEAD
from shared.scu import Unavailable
from shared.switchable import Switch
from shared.tables import Heartbeat
from shared.tables.base import new_id, now

COVERS: Final = frozenset({"heartbeat"})
STEPS: Final = (
    ("receive", "received_at"),
    ("index", "indexed_at"),
    ("route", "routed_at"),
    ("anonymise", "anonymized_at"),
    ("send", "delivered_at"),
)
"""The steps of the road, and the column that says when each was passed."""

AT_ONCE: Final = 3
"""So many may be under way: what waits behind a switch or a failure is not heaped up."""

LOST: Final = timedelta(days=1)
KEPT: Final = timedelta(days=30)


async def look(ground: Ground) -> list[Reading]:
    """Send one when it is time; then what is known of those that were sent."""
    if not ground.settings.heartbeat_seconds:
        return []
    rows = await latest(ground)
    if _is_due(rows, ground):
        await _send(ground)
        rows = await latest(ground)
    await _give_up(ground)
    _measure(rows)
    return [judge(rows, ground.settings.heartbeat_late_seconds, _held(ground), now())]


async def latest(ground: Ground) -> Sequence[Heartbeat]:
    """Those that were sent last; by a clock that was ahead: once that time has come."""
    async with ground.context.database.reading() as session:
        sent = select(Heartbeat).where(Heartbeat.sent_at <= now() + AHEAD).order_by(Heartbeat.sent_at.desc())
        return (await session.scalars(sent.limit(20))).all()


def _held(ground: Ground) -> str:
    """Which switch holds heartbeats up, if one does."""
    return next((switch.value for switch in Switch if not ground.switches.is_on(switch)), "")


def _is_due(rows: Sequence[Heartbeat], ground: Ground) -> bool:
    if not ground.switches.is_on(Switch.RECEIVE) or sum(not row.outcome for row in rows) >= AT_ONCE:
        return False
    if not rows or rows[0].outcome == "refused":
        return True
    return (now() - rows[0].sent_at).total_seconds() >= ground.settings.heartbeat_seconds


async def _send(ground: Ground) -> None:
    """Note it first: the indexer must know it when it comes."""
    heartbeat = new_id()
    async with ground.context.database.session() as session:
        session.add(Heartbeat(id=heartbeat))
    why = await asyncio.to_thread(_store, heartbeat, ground)
    async with ground.context.database.session() as session:
        row = await session.get_one(Heartbeat, heartbeat, with_for_update=True)
        row.received_at = None if why else now()
        if why and not row.indexed_at:
            row.outcome, row.detail = "refused", why[:200]
            metrics.HEARTBEATS.labels("refused").inc()


def _store(heartbeat: str, ground: Ground) -> str:
    """Why the receiver has not taken it; empty: it has."""
    try:
        with tempfile.TemporaryDirectory(prefix="heartbeat-") as folder:
            file = Path(folder) / "image.dcm"
            write_image(file, heartbeat)
            status = send_image(file, heartbeat, receiver(ground.settings))
    except Unavailable as error:
        return str(error)
    except OSError as error:
        return f"cannot be sent: {type(error).__name__}"
    return f"C-STORE was answered 0x{status:04X}" if status else ""


async def _give_up(ground: Ground) -> None:
    """What has not arrived after a day is lost, its files go; what is over is forgotten after a month."""
    moment = now()
    async with ground.context.database.reading() as session:
        late = select(Heartbeat.id).where(Heartbeat.outcome == "", Heartbeat.sent_at < moment - LOST)
        lost = list(await session.scalars(late))
    for heartbeat in lost:
        await asyncio.to_thread(remove_files, ground.context.store, heartbeat)
    async with ground.context.database.session() as session:
        for heartbeat in lost:
            row = await session.get_one(Heartbeat, heartbeat)
            row.outcome, row.detail = "lost", f"was not seen after {standing(row)}"
            metrics.HEARTBEATS.labels("lost").inc()
        await session.execute(delete(Heartbeat).where(Heartbeat.sent_at < moment - KEPT))


def standing(row: Heartbeat) -> str:
    """The last step that a heartbeat has passed."""
    return next((step for step, column in reversed(STEPS) if getattr(row, column) is not None), "sending")


def durations(row: Heartbeat) -> dict[str, float]:
    """Seconds by step, and in all; clocks of several machines may make a step negative, which is called 0."""
    taken, before = {}, row.sent_at
    for step, column in STEPS:
        if (at := getattr(row, column)) is not None:
            taken[step] = max(0.0, (at - before).total_seconds())
            before = at
    if row.delivered_at is not None:
        taken["all"] = max(0.0, (row.delivered_at - row.sent_at).total_seconds())
    return taken


def judge(rows: Sequence[Heartbeat], late: float, held: str, moment: datetime) -> Reading:
    """What the latest ones mean; rows are latest first."""
    waiting = [row for row in rows if not row.outcome and (moment - row.sent_at).total_seconds() > late]
    over = next((row for row in rows if row.outcome), None)
    if waiting and held:
        return Reading("heartbeat", "", "ok", f"waits: {held} is switched off")
    if waiting and not (over and over.outcome == "arrived" and over.sent_at > waiting[0].sent_at):
        since = (moment - waiting[0].sent_at).total_seconds()
        return Reading("heartbeat", "", "failing", f"sent {lasting(since)} ago, not seen after {standing(waiting[0])}")
    if over is None:
        return Reading("heartbeat", "", None)
    if over.outcome == "refused" and held == Switch.RECEIVE:
        return Reading("heartbeat", "", "ok", "waits: receive is switched off")
    if over.outcome != "arrived":
        return Reading("heartbeat", "", "failing", f"{over.outcome}: {over.detail}"[:300])
    took = durations(over)["all"]
    return Reading("heartbeat", "", "warning" if took > late else "ok", f"arrives within {took:.1f} s", took)


def _measure(rows: Sequence[Heartbeat]) -> None:
    if (last := next((row for row in rows if row.outcome == "arrived"), None)) is not None and last.delivered_at:
        metrics.LAST_HEARTBEAT.set(last.delivered_at.timestamp())
        for step, seconds in durations(last).items():
            metrics.HEARTBEAT.labels(step).set(seconds)
