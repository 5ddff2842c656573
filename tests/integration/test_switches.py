"""Switches as people turn them, and what waits behind one: on both buses, nothing is taken, tried or lost."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from cli.failure import Code
from services.api.service import service as api_service
from shared.bus import Delivery, Done, Fate, Message
from shared.bus.embedded import EmbeddedBus
from shared.bus.protocol import Bus
from shared.bus.rabbitmq import RabbitBus
from shared.database import Database
from shared.events import DeliveryRequested
from shared.log import configure
from shared.service import switched
from shared.store import Store
from shared.switchable import Switch
from shared.switches import Switches
from shared.tables import Heartbeat, MonitorCheck, OutboxEntry
from shared.tables.base import new_id, now
from shared.topology import queue
from tests.integration.test_cli_review import Fiona
from tests.people import TOKEN
from tests.unit.api.serving import put, served
from tests.unit.api.support import dicom, multipart, stow_type

DELIVERIES = queue("sender", DeliveryRequested)


def delivery(number: int) -> Message:
    return Message.of(
        DeliveryRequested(
            transfer=f"t{number}", parts=1, destinations=("d",), destination="d", series_instance_uid="1.2",
            revision=1, target_study_instance_uid="1.3", manifest="m", instances=1, quarantined=0,
        )
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["embedded", "rabbitmq"])
async def test_what_waits_behind_a_switch_stays_in_its_queue(
    kind: str, request: pytest.FixtureRequest, store: Store, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus: Bus = (
        EmbeddedBus(sqlite, poll=0.05)
        if kind == "embedded"
        else RabbitBus(request.getfixturevalue("rabbitmq_vhost"), settling=0)
    )
    monkeypatch.setattr(switched, "LOOK", 0.05)
    taken: list[tuple[str, int]] = []

    async def take(delivered: Delivery) -> Fate:
        taken.append((delivered.message.id, delivered.tries))
        return Done()

    async def until(count: int) -> None:
        async with asyncio.timeout(60):
            while len(taken) < count:
                await asyncio.sleep(0.02)

    switches, hand = Switches(store, fresh=0), Switches(store)
    first, second = delivery(1), delivery(2)
    async with switched.consume(bus, DELIVERIES, take, 4, switches, Switch.SEND):
        await bus.publish([first])
        await until(1)
        with capture_logs() as said:
            hand.turn_off(Switch.SEND, "maintenance", "k.olsen")
            async with asyncio.timeout(60):
                while "switched off" not in [line["event"] for line in said]:
                    await asyncio.sleep(0.02)
        await bus.publish([second])
        await asyncio.sleep(0.4)
        assert (await bus.depths())[DELIVERIES] == 1
        hand.turn_on(Switch.SEND)
        await until(2)
    assert taken == [(first.id, 0), (second.id, 0)]
    assert await bus.dead() == []
    await bus.close()


async def test_from_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    monkeypatch.setenv("FIONA_TOKEN", TOKEN)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    configure(stream=io.StringIO())
    async with served(url, tmp_path / "store", monkeypatch, api_service) as client:
        monkeypatch.setenv("FIONA_API", str(client.base_url))
        fiona = Fiona(capsys)
        turned = await fiona.json("switch", "receive", "off", "--reason", "the archive moves")
        assert (turned["state"], turned["reason"], turned["who"]) == ("off", "the archive moves", "k.olsen")
        assert [each["state"] for each in await fiona.json("switch")] == ["off", "on", "on"]
        content, headers = multipart([dicom()]), {"content-type": stow_type()}
        answer = await client.post("/dicomweb/studies", content=content, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:fiona:problem:receiving-off")
        assert answer.headers["Retry-After"]
        assert await fiona("status") == Code.DONE
        assert "the archive moves" in fiona.out
        assert (await fiona.json("switch", "receive", "on"))["state"] == "on"
        await asyncio.sleep(1.1)
        assert (await client.post("/dicomweb/studies", content=content, headers=headers)).status_code == 200
        assert await fiona("monitor") == Code.DONE
        assert "has not looked yet" in fiona.err
        failed = {"name": "destination", "subject": "research", "state": "failing", "detail": "no connection"}
        seen: dict[str, Any] = {"since": now(), "seen": "failing", "looked_at": now(), "changes": []}
        beat = Heartbeat(id=new_id(), outcome="arrived", detail="", received_at=now(), delivered_at=now())
        await put(url, [MonitorCheck(**failed, **seen), beat])
        assert await fiona("monitor") == Code.FAILED
        assert ("no connection" in fiona.out, "has failed" in fiona.err) == (True, True)
        [one] = await fiona.json("monitor", "--heartbeats")
        assert (one["outcome"], one["indexed_at"]) == ("arrived", None)
        assert (await fiona.json("status"))["failing"][0]["subject"] == "research"
        assert (await client.put("/api/v1/switches/send", json={"state": "off"})).status_code == 422
    database, store = Database(url), Store(tmp_path / "store")
    async with database.reading() as session:
        messages = [Message.from_bytes(row.content) for row in await session.scalars(select(OutboxEntry))]
    await database.close()
    records = [line for path in (store / "audit/spool").iterdir() for line in path.read_text().splitlines()]
    turned_off = [json.loads(line) for line in records if '"turn_switch"' in line and '"done"' in line]
    assert messages == [], "nobody listens, and all of it has left"
    assert [each["details"]["switches"] for each in turned_off] == ["receive"] * 2
    assert {each["details"]["state"] for each in turned_off} == {"on", "off"}
    assert "the archive moves" not in str(turned_off), "what a person has written may name somebody"
