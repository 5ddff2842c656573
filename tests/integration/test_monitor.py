"""The monitor over real parts: receiver, PACS, brokers, databases, a mail server and a webhook."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select

from services.monitor.service import service
from services.monitor.settings import MonitorSettings
from services.monitor.watch import Watch
from services.registry.clock import Clock
from services.registry.mailer import Mailer
from services.registry.settings import RegistrySettings
from shared.bus import Message
from shared.events import MonitorStateChanged
from shared.service import Context
from shared.service.runner import open_context
from shared.settings import Settings
from shared.switches import Switch, Switches
from shared.tables import Destination, MonitorCheck, OutboxEntry
from tests.components.orthanc import Orthanc
from tests.components.postgres import PostgreSQL
from tests.components.process import free_port
from tests.components.receiver import LocalReceiver
from tests.components.smtp import Inbox, mail_server

TO = "oncall@example.org"


@dataclass
class Hook:
    """A webhook that keeps what it is told, and may be told to refuse."""

    url: str = ""
    status: int = 200
    told: list[dict[str, Any]] = field(default_factory=list)

    def states(self) -> list[tuple[str, str, str]]:
        """What was told since the last time that this was asked."""
        found = [
            (each["check"], each["subject"], each["state"])
            for body in self.told
            for each in body["changes"]
            if each["check"] not in ("disk", "clock")
        ]
        self.told.clear()
        return found


@contextmanager
def webhook() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.status < 300:
                assert self.headers["Authorization"] == "Bearer a secret"
                hook.told.append(said)
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hook
    server.shutdown()
    server.server_close()
    thread.join()


@asynccontextmanager
async def context_of(folder: Path, url: str, bus: str | None) -> AsyncIterator[Context]:
    key = SecretStr("a master key for tests only")
    settings = Settings(
        data=folder, database_url=SecretStr(url), bus_url=SecretStr(bus) if bus else None, secret_key=key
    )
    context = open_context([service], settings)
    await context.database.migrate()
    yield context
    await context.bus.close()
    await context.database.close()


def settings_of(hook: Hook, receiver: LocalReceiver, **values: Any) -> MonitorSettings:
    told: dict[str, Any] = {
        "webhook_url": SecretStr(hook.url),
        "webhook_token": SecretStr("a secret"),
        "mail_to": (TO,),
    }
    asked = {"receiver_port": receiver.port, "heartbeat_seconds": 0, "looks": 1, "echo_seconds": 5}
    # Whatever the disk of whoever runs this is like.
    disks = {"disk_warning": 0.9999, "disk_failing": 0.9999}
    return MonitorSettings(**told | asked | disks | values)


async def rows(context: Context) -> dict[tuple[str, str], MonitorCheck]:
    async with context.database.reading() as session:
        return {(row.name, row.subject): row for row in await session.scalars(select(MonitorCheck))}


async def sent(context: Context) -> list[str]:
    """The subjects of the mails that are owed, as a real mail server gets them."""
    inbox = Inbox()
    with mail_server(inbox) as port:
        settings = RegistrySettings(smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none", smtp_seconds=5)
        await Mailer(context.database, context.vault, settings, Clock()).send_due()
    assert {mail["To"] for mail in inbox.mails} <= {TO}
    return [mail["Subject"] for mail in inbox.mails]


async def test_what_changes_is_told_once_and_what_is_well_again_too(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    store = tmp_path / "store"
    with webhook() as hook, LocalReceiver(store) as receiver:
        async with context_of(store, url, None) as context:
            settings = settings_of(hook, receiver)
            watch, other = Watch(context, settings), Watch(context, settings)
            async with context.database.session() as session:
                gone = {"host": "127.0.0.1", "port": free_port(), "called_aet": "GONE"}
                session.add(Destination(name="gone", kind="dicom", config=gone))
                session.add(Destination(name="here", kind="folder", config={}))
            await watch.round()
            found = await rows(context)
            assert {key for key, row in found.items() if row.state != "ok"} == {("destination", "gone")}
            assert {"receiver", "bus", "database", "queue", "stuck", "disk", "switch"} <= {name for name, _ in found}
            assert hook.states() == [("destination", "gone", "failing")]
            assert await sent(context) == ["FIONA: destination gone has failed"]
            await watch.round()
            await other.round()
            assert (hook.states(), await sent(context)) == ([], [])

            Switches(context.store).turn_off(Switch.SEND, "a reason", "k.olsen")
            hook.status = 503
            await watch.round()
            async with context.database.session() as session:
                (await session.get_one(Destination, "gone")).kind = "null"
                (await session.get_one(Destination, "gone")).config = {}
            await watch.round()
            hook.status = 200
            await watch.round()
            assert hook.states() == [("switch", "send", "warning")], "the destination is none that can be away"
            assert await sent(context) == ["FIONA: switch send needs a look"]
            assert ("destination", "gone") not in await rows(context)
            Switches(context.store).turn_on(Switch.SEND)
            await watch.round()
            assert hook.states() == [("switch", "send", "ok")]
            assert await sent(context) == ["FIONA: switch send is well again"]
            async with context.database.reading() as session:
                owed = [Message.from_bytes(row.content) for row in await session.scalars(select(OutboxEntry))]
            events = [event for each in owed if isinstance(event := each.event(), MonitorStateChanged)]
            assert [(event.check, event.before, event.after) for event in events] == [
                ("destination", "ok", "failing"),
                ("switch", "ok", "warning"),
                ("switch", "warning", "ok"),
            ]
    assert "a reason" not in str(found)


async def test_on_a_broker_with_a_pacs_and_while_the_database_is_away(
    tmp_path: Path, rabbitmq_vhost: str, postgres_database: str, postgres: PostgreSQL, orthanc: Orthanc
) -> None:
    store = tmp_path / "store"
    with webhook() as hook, LocalReceiver(store) as receiver:
        async with context_of(store, postgres_database, rabbitmq_vhost) as context:
            watch = Watch(context, settings_of(hook, receiver))
            async with context.database.session() as session:
                peer = {"host": "127.0.0.1", "port": orthanc.dicom_port, "called_aet": orthanc.aet}
                session.add(Destination(name="pacs", kind="dicom", config=peer))
                session.add(Destination(name="web", kind="dicomweb", config={"url": orthanc.dicomweb_url}))
            await watch.round()
            found = await rows(context)
            assert {row.state for key, row in found.items()} == {"ok"}
            assert {("destination", "pacs"), ("destination", "web"), ("clock", "database")} <= set(found)
            assert hook.states() == []
            postgres.stop()
            try:
                await watch.round()
                assert ("database", "", "failing") in hook.states()
            finally:
                postgres.start()
            await watch.round()
            assert hook.states() == [("database", "", "ok")]
            assert (await rows(context))["database", ""].state == "ok"
