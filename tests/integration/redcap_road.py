"""What the road tells of a study, and REDCap being paid what it is owed."""

from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from services.redcap import handlers
from services.redcap.rounds import Rounds
from services.redcap.settings import RedcapSettings
from services.redcap.tokens import INCOMING, Tokens
from shared.database import Database
from shared.events import SeriesArrived, StudyArrived, TransferCompleted, TransferRequested
from shared.tables import RedcapOwed, RedcapTarget
from tests.integration.redcap_setting import INCOMING_TOKEN, PROJECT, PROJECT_TOKEN, SERIES, STUDY, token_files


async def happened(database: Database, tmp_path: Path) -> None:
    """What the road tells of the study, from its arrival to its last count."""
    folder = token_files(tmp_path / "tokens", ABCD_study=PROJECT_TOKEN)
    tokens = Tokens(RedcapSettings(url="http://127.0.0.1/api/", incoming_token=INCOMING_TOKEN, tokens=folder))
    async with database.session() as session:
        for number, series in enumerate(SERIES):
            arrived = SeriesArrived(
                study_instance_uid=STUDY, series_instance_uid=series, revision=1, instances=2 + number, total=2 + number
            )
            await handlers.series(arrived, session, tokens)
        await handlers.study(StudyArrived(study_instance_uid=STUDY, series=2, instances=5), session, tokens)
        await handlers.requested(request(), session, tokens)
        await handlers.completed(done(), session, tokens)


def request(transfer: str = "t1") -> TransferRequested:
    fields: dict[str, Any] = {
        "transfer": transfer, "parts": 2, "project": PROJECT, "participant": "ABCD-0017", "event": "Baseline",
        "destinations": ("research",), "profile": "basic", "study_instance_uid": STUDY,
        "series_instance_uid": SERIES[0], "revision": 1, "instances": 2,
    }  # fmt: skip
    return TransferRequested(**fields)


def done(transfer: str = "t1") -> TransferCompleted:
    return TransferCompleted(transfer=transfer, delivered=4, quarantined=0, counted=4)


async def owed(database: Database) -> list[RedcapOwed]:
    async with database.reading() as session:
        return list(await session.scalars(select(RedcapOwed).order_by(RedcapOwed.kind, RedcapOwed.subject)))


async def target(database: Database, project: str = INCOMING) -> RedcapTarget:
    async with database.reading() as session:
        return await session.get_one(RedcapTarget, project)


async def all_paid(rounds: Rounds) -> None:
    while await rounds.round():
        pass


async def again_at_once(database: Database) -> None:
    """What was put off is due, and nobody has anything in hand: time has passed."""
    async with database.session() as session:
        await session.execute(update(RedcapTarget).values(due_at=None, holder=None, held_until=None))
