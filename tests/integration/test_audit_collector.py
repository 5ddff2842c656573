"""A collector that goes away and comes back is told of every entry, in order, over TLS."""

import asyncio
import re
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from services.audit.append import append
from services.audit.collector import Teller
from services.audit.settings import AuditSettings
from shared.audit import Record
from shared.crypto import Vault
from shared.database import Database
from shared.keys import begin_audit_key
from shared.tables import AuditCollector
from tests.components.process import free_port
from tests.unit.audit.schema import check

VAULT = Vault(b"a master key for tests only")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, the collector's certificate and ours."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(("openssl", *arguments), cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority")
    for name in ("collector", "gateway"):
        alt = ("-addext", "subjectAltName=DNS:localhost")
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", *alt)
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return folder


class Collector:
    """A listener that takes frames apart by their counts; `takes` more, then it breaks off."""

    def __init__(self, certificates: Path, port: int) -> None:
        self.port = port
        self.heard: list[bytes] = []
        self.takes = 10**9
        self.news = asyncio.Event()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates / "collector.pem", certificates / "collector.key")
        self._context.load_verify_locations(certificates / "ca.pem")
        self._context.verify_mode = ssl.CERT_REQUIRED

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        writers: list[asyncio.StreamWriter] = []

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            try:
                while self.takes > 0:
                    length = int(await reader.readuntil(b" "))
                    self.heard.append(await reader.readexactly(length))
                    self.takes -= 1
                    self.news.set()
            except (asyncio.IncompleteReadError, OSError):
                pass
            writer.transport.abort()

        server = await asyncio.start_server(hear, "localhost", self.port, ssl=self._context)
        try:
            yield
        finally:
            server.close()
            for writer in writers:
                writer.transport.abort()
            await server.wait_closed()

    def numbers(self) -> list[int]:
        found = [re.search(rb'sequence="(\d+)"', each) for each in self.heard]
        return [int(match[1]) for match in found if match]

    async def hears(self, number: int) -> None:
        async with asyncio.timeout(120):
            while number not in self.numbers():
                self.news.clear()
                await self.news.wait()


def settings(certificates: Path, port: int) -> AuditSettings:
    return AuditSettings(
        collector=f"localhost:{port}",
        collector_ca=certificates / "ca.pem",
        collector_certificate=certificates / "gateway.pem",
        collector_key=certificates / "gateway.key",
    )


@asynccontextmanager
async def telling(database: Database, wanted: AuditSettings) -> AsyncIterator[None]:
    task = asyncio.create_task(Teller(database, wanted, poll=0.02, settle=0.1, rest=0.1).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def add(database: Database, count: int) -> None:
    async with database.session() as session:
        records = [Record(operation="show_study", method="GET", outcome="done") for _ in range(count)]
        await append(session, await begin_audit_key(session, VAULT), records)


async def noted(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(AuditCollector.sequence)) or 0


async def test_nothing_is_lost_while_the_collector_comes_and_goes(database: Database, certificates: Path) -> None:
    collector = Collector(certificates, free_port())
    await add(database, 3)
    async with telling(database, settings(certificates, collector.port)):
        async with collector.listening():
            await collector.hears(3)
            async with asyncio.timeout(120):
                while await noted(database) < 3:
                    await asyncio.sleep(0.02)
        await add(database, 150)
        async with asyncio.timeout(120):
            while REGISTRY.get_sample_value("fiona_audit_collector_waiting") != 150:  # while nobody is there
                await asyncio.sleep(0.02)
        collector.takes = 60  # and then breaks off in the middle of what was sent
        async with collector.listening():
            await collector.hears(63)
        await add(database, 2)
        collector.takes = 10**9
        async with collector.listening():
            await collector.hears(155)
            async with asyncio.timeout(120):
                while await noted(database) < 155:
                    await asyncio.sleep(0.02)
    numbers = collector.numbers()
    assert sorted(set(numbers)) == list(range(1, 156))
    # In order; what comes twice begins again where it was last sure.
    steps = [after - before for before, after in pairwise(numbers)]
    assert all(step == 1 or step <= 0 for step in steps)
    for message in collector.heard[:3]:
        check(fromstring(message.split(b"] ", 1)[1]))


async def test_of_two_processes_one_tells(sqlite: Database, certificates: Path) -> None:
    collector = Collector(certificates, free_port())
    await add(sqlite, 5)
    wanted = settings(certificates, collector.port)
    async with collector.listening(), telling(sqlite, wanted), telling(sqlite, wanted):
        await collector.hears(5)
        await add(sqlite, 5)
        await collector.hears(10)
    assert collector.numbers() == list(range(1, 11))


async def test_who_is_not_the_collector_is_told_nothing(sqlite: Database, certificates: Path) -> None:
    collector = Collector(certificates, free_port())
    await add(sqlite, 1)
    strangers = AuditSettings(collector=f"localhost:{collector.port}")  # signed by nobody whom the system trusts
    without = AuditSettings(collector=f"localhost:{collector.port}", collector_ca=certificates / "ca.pem")
    for wanted in (strangers, without):
        async with collector.listening(), telling(sqlite, wanted):
            await asyncio.sleep(0.3)
    assert (collector.numbers(), await noted(sqlite)) == ([], 0)


@pytest.mark.parametrize("wrong", ["collector", "collector:", "host:123456", "a b:1", ":6514"])
def test_an_address_that_is_none(wrong: str) -> None:
    with pytest.raises(ValueError):
        AuditSettings(collector=wrong)
