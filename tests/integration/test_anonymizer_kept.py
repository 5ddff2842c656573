"""What is left is counted on both databases: each part once, bounded, and whoever counts at the same time."""

import asyncio

import pytest
from sqlalchemy import select

from deidentification.review import KeptRow
from services.anonymizer import kept
from shared.database import Database
from shared.events import TransferRequested
from shared.tables import KeptAttribute

MODALITY, DESCRIPTION = "(0008,0060)", "(0008,103E)"


def part(transfer: str = "t1", series: str = "1.2.3", project: str = "PROJECT", revision: int = 1) -> TransferRequested:
    return TransferRequested(
        transfer=transfer,
        parts=1,
        project=project,
        participant="P",
        event="e",
        destinations=(),
        profile="basic",
        study_instance_uid="1.2",
        series_instance_uid=series,
        revision=revision,
        instances=1,
    )


def row(value: str | None, count: int = 1, path: str = MODALITY) -> KeptRow:
    return KeptRow(path, "Modality" if path == MODALITY else "SeriesDescription", "CS", value, count)


async def count(database: Database, event: TransferRequested, *rows: KeptRow) -> bool:
    async with database.session() as session:
        return await kept.count_part(session, event, rows)


async def counted(database: Database, project: str = "PROJECT") -> dict[tuple[str, str | None], int]:
    async with database.reading() as session:
        rows = await session.scalars(select(KeptAttribute).where(KeptAttribute.project == project))
        return {(row.path, row.value): row.count for row in rows}


async def test_a_part_counts_once(database: Database) -> None:
    assert await count(database, part(), row("CT", 3), row(None, 3, DESCRIPTION))
    assert not await count(database, part(), row("CT", 3), row("MR", 1))
    assert await counted(database) == {(MODALITY, "CT"): 3, (DESCRIPTION, None): 3}


async def test_parts_add_up(database: Database) -> None:
    for event in (part(), part(series="1.2.4"), part(revision=2), part(transfer="t2")):
        assert await count(database, event, row("CT", 2), row("", 1))
    assert await counted(database) == {(MODALITY, "CT"): 8, (MODALITY, ""): 4}


async def test_projects_do_not_mix(database: Database) -> None:
    await count(database, part(), row("CT"))
    await count(database, part(transfer="t2", project="SECOND"), row("MR"))
    assert await counted(database) == {(MODALITY, "CT"): 1}
    assert await counted(database, "SECOND") == {(MODALITY, "MR"): 1}


async def test_the_first_and_the_last_time_are_kept(database: Database) -> None:
    await count(database, part(), row("CT"))
    await asyncio.sleep(0.01)
    await count(database, part(transfer="t2"), row("CT"))
    async with database.reading() as session:
        (found,) = await session.scalars(select(KeptAttribute))
    assert found.first_seen_at < found.last_seen_at
    assert (found.keyword, found.vr, len(found.value_hash)) == ("Modality", "CS", 64)


async def test_more_values_than_are_told_apart_count_as_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "DISTINCT", 3)
    monkeypatch.setattr(kept, "BATCH", 2)
    await count(database, part(), *(row(f"seldom {n}", 1, DESCRIPTION) for n in range(4)), row("often", 9, DESCRIPTION))
    assert await counted(database) == {
        (DESCRIPTION, "often"): 9,
        (DESCRIPTION, "seldom 0"): 1,
        (DESCRIPTION, "seldom 1"): 1,
        (DESCRIPTION, None): 2,
    }
    await count(database, part("t2"), row("often", 1, DESCRIPTION), row("new", 5, DESCRIPTION), row("CT"))
    found = await counted(database)
    assert found[DESCRIPTION, "often"] == 10
    assert found[DESCRIPTION, None] == 7
    assert found[MODALITY, "CT"] == 1


async def test_a_thousand_values_and_no_more(database: Database) -> None:
    for number in range(3):
        await count(database, part(f"t{number}"), *(row(f"{number} {n}", 1, DESCRIPTION) for n in range(450)))
    found = await counted(database)
    assert len(found) == kept.DISTINCT + 1
    assert found[DESCRIPTION, None] == 3 * 450 - kept.DISTINCT


async def test_values_that_a_database_would_not_take(database: Database) -> None:
    await count(database, part(), row("nul\0", 2), row("nul"), row("half \ud800"), row("long" * 30), row("Å" * 64))
    await count(database, part("t2"), row("x", path="(0008,1140)>" * 40), row("y", path="(0008,1140)>" * 50))
    found = await counted(database)
    assert found[MODALITY, "nul"] == 3
    assert found[MODALITY, "half ?"] == 1
    assert found[MODALITY, "long" * 16] == 1
    assert found[MODALITY, "Å" * 64] == 1
    assert {len(path) for path, value in found if value in ("x", "y")} == {250}


async def test_two_at_once_lose_nothing(database: Database) -> None:
    values = [f"{n}" for n in range(50)]
    parts = [part(f"t{number}") for number in range(8)]
    await asyncio.gather(
        *(
            count(database, event, *(row(value) for value in (values if number % 2 else reversed(values))))
            for number, event in enumerate(parts)
        ),
        *(count(database, event, row("0")) for event in parts),
    )
    found = await counted(database)
    assert set(found.values()) <= set(range(1, 9))
    assert found[MODALITY, "0"] == 8
