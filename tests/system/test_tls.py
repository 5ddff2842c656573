"""The whole road with TLS on every stretch, both ends showing certificates wherever both can; strangers are refused."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import delete
from sqlalchemy.exc import DBAPIError

from services.monitor.probes import Ground, reach
from services.monitor.probes import certificates as certificate_ends
from services.monitor.service import service as monitor
from services.monitor.settings import MonitorSettings
from shared.bus import Bus, BusUnavailable
from shared.bus.open import open_bus
from shared.database import Database, DatabaseUnavailable
from shared.destinations import parse_destination
from shared.destinations.echo import EchoFailed, echo
from shared.recovery.dump import DumpError, dump
from shared.service.runner import open_context
from shared.settings import Settings
from shared.switches import Switches
from shared.tables import Destination
from tests.components.certificates import Authority
from tests.components.dcmtk import echoscu, storescu
from tests.components.fixtures import disposable, need
from tests.components.orthanc import Orthanc
from tests.components.otlp import Collector
from tests.components.postgres import PostgreSQL
from tests.components.process import LOOPBACK, wait_until
from tests.components.rabbitmq import RabbitMQ
from tests.components.receiver import LocalReceiver
from tests.components.terminator import Terminator
from tests.studies import ct_study
from tests.system.gateway import Gateway, running

SERVICES = ("receiver", "indexer", "router", "anonymizer", "sender", "api")


class Certificates:
    """Ours, signed by whom everybody trusts; one for another host; and a stranger's."""

    def __init__(self, folder: Path) -> None:
        ours, strange = Authority(folder / "ours"), Authority(folder / "strange", "stranger")
        self.ca, self.strange_ca = ours.ca, strange.ca
        self.server, self.client = ours.sign("server"), ours.sign("client")
        self.elsewhere = ours.sign("elsewhere", "elsewhere.example")
        self.stranger = strange.sign("someone")


@pytest.fixture(scope="module")
def certificates(components_folder: Path) -> Certificates:
    folder = components_folder / "certificates"
    made = Certificates(folder)
    folder.chmod(0o755)
    return made


class TlsPostgres(PostgreSQL):
    """Takes TLS only, and clients with a certificate only."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        own = {"server.crt": certificates.server[0], "server.key": certificates.server[1], "ca.crt": certificates.ca}
        super().__init__(
            folder, fsync=False, options=("ssl=on", "ssl_ca_file=ca.crt", "ssl_min_protocol_version=TLSv1.2")
        )
        self._own = own

    def prepare(self) -> None:
        super().prepare()
        (self.data / "pg_hba.conf").write_text(f"hostssl all all {LOOPBACK}/32 trust clientcert=verify-ca\n")
        for name, source in self._own.items():
            (self.data / name).write_bytes(source.read_bytes())
            (self.data / name).chmod(0o600)
        if self.user is not None:
            for path in self.data.iterdir():
                os.chown(path, *self.user)


@pytest.fixture(scope="module")
def postgres(components_folder: Path, certificates: Certificates) -> Iterator[PostgreSQL]:
    need("postgres")
    with disposable(TlsPostgres(components_folder / "postgres-tls", certificates)) as server:
        yield server


@pytest.fixture(scope="module")
def broker(components_folder: Path, certificates: Certificates) -> Iterator[RabbitMQ]:
    need("rabbitmq")
    server, key = certificates.server
    more = f"""\
listeners.tcp = none
listeners.ssl.1 = {LOOPBACK}:PORT
ssl_options.cacertfile = {certificates.ca}
ssl_options.certfile = {server}
ssl_options.keyfile = {key}
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"""
    broker = RabbitMQ(components_folder / "rabbitmq-tls")
    broker._more = more.replace("PORT", str(broker.port))
    with disposable(broker) as running_:
        yield running_


@pytest.fixture(scope="module")
def orthanc(components_folder: Path, certificates: Certificates) -> Iterator[Orthanc]:
    need("orthanc", "dcmtk")
    extra = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(certificates.server[0]),
        "DicomTlsPrivateKey": str(certificates.server[1]),
        "DicomTlsTrustedCertificates": str(certificates.ca),
        "DicomTlsRemoteCertificateRequired": True,
    }
    with disposable(Orthanc(components_folder / "orthanc-tls", extra=extra)) as server:
        yield server


@pytest.fixture(scope="module")
def https(orthanc: Orthanc, certificates: Certificates) -> Iterator[int]:
    """Orthanc's DICOMweb behind TLS, as behind a reverse proxy (its own server crashes with OpenSSL 3)."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*certificates.server)
    with Terminator(tls, orthanc.http_port) as terminator:
        yield terminator.port


def bus_url(broker: RabbitMQ, mine: tuple[Path, Path] | None, host: str = LOOPBACK) -> str:
    own = f"?certfile={mine[0]}&keyfile={mine[1]}" if mine else ""
    return f"amqps://guest:guest@{host}:{broker.port}/{own}"


def database_url(postgres: PostgreSQL, host: str = LOOPBACK) -> str:
    return f"postgresql+asyncpg://postgres@{host}:{postgres.port}/postgres"


def dicom(orthanc: Orthanc, ca: Path, mine: tuple[Path, Path] | None, host: str = LOOPBACK) -> dict[str, Any]:
    tls = {"ca_file": str(ca)} | ({"cert_file": str(mine[0]), "key_file": str(mine[1])} if mine else {})
    return {"host": host, "port": orthanc.dicom_port, "called_aet": orthanc.aet, "tls": tls, "timeout": 30}


def dicomweb(port: int, ca: Path, host: str = LOOPBACK) -> dict[str, Any]:
    return {"url": f"https://{host}:{port}/dicom-web", "tls": {"ca_file": str(ca)}, "timeout": 30}


def test_a_study_travels_over_tls_only(
    certificates: Certificates, broker: RabbitMQ, postgres: PostgreSQL, orthanc: Orthanc, https: int, tmp_path: Path
) -> None:
    server, key = map(str, certificates.server)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*certificates.server)
    with Collector(tls) as collector:
        environment = {
            "FIONA_BUS_URL": bus_url(broker, certificates.client),
            "FIONA_BUS_CA": str(certificates.ca),
            "FIONA_DATABASE_URL": database_url(postgres),
            "FIONA_DATABASE_CA": str(certificates.ca),
            "PGSSLCERT": str(certificates.client[0]),
            "PGSSLKEY": str(certificates.client[1]),
            "FIONA_RECEIVER_TLS_CERTIFICATE": server,
            "FIONA_RECEIVER_TLS_KEY": key,
            "FIONA_RECEIVER_TLS_CA": str(certificates.ca),
            "FIONA_API_TLS_CERTIFICATE": server,
            "FIONA_API_TLS_KEY": key,
            "FIONA_OTLP_ENDPOINT": collector.url,
            "FIONA_OTLP_CA": str(certificates.ca),
            "FIONA_ANONYMIZER_WORKERS": "1",
        }
        verify = ssl.create_default_context(cafile=certificates.ca)
        with running(Gateway(tmp_path, environment, (SERVICES,), verify=verify)) as gateway:
            for name, kind, config in (
                ("research", "dicom", dicom(orthanc, certificates.ca, certificates.client)),
                ("web", "dicomweb", dicomweb(https, certificates.ca)),
            ):
                gateway.call("POST", "/destinations", json={"name": name, "kind": kind, "config": config})
            gateway.call("POST", "/projects", json={"name": "SECURE", "destinations": ["research", "web"]})
            study = ct_study(tmp_path / "study", images=2)
            known = ("+tls", certificates.client[1], certificates.client[0], "+cf", certificates.ca)
            done = storescu(gateway.dicom_port, *study.files, options=("-R", *known))
            assert done.returncode == 0, done.stdout
            stranger = ("+tls", certificates.stranger[1], certificates.stranger[0], "+cf", certificates.ca)
            assert echoscu(gateway.dicom_port, options=stranger).returncode != 0
            assert echoscu(gateway.dicom_port).returncode != 0
            gateway.assign(study.study_instance_uid, "SECURE", "P001")
            [transfer] = gateway.wait_delivered(2)
            assert (transfer["state"], transfer["counted"]) == ("completed", 2)
            strange = ssl.create_default_context(cafile=certificates.strange_ca)
            url = f"https://{LOOPBACK}:{gateway.api_port}/livez"
            assert httpx.get(url, verify=verify, timeout=60).status_code == 200
            with pytest.raises(httpx.ConnectError):
                httpx.get(url, verify=strange, timeout=60)
            with pytest.raises(httpx.ConnectError):
                httpx.get(url.replace(LOOPBACK, "localhost"), verify=verify, timeout=60)
            with pytest.raises(httpx.TransportError):
                httpx.get(url.replace("https", "http"), timeout=60)
            wait_until(lambda: any(span.name == "association" for span in collector.spans), 120, "traces")
    assert orthanc.count() == 2


async def test_a_broker_that_is_not_ours_or_does_not_know_us(certificates: Certificates, broker: RabbitMQ) -> None:
    def bus(ca: Path, mine: tuple[Path, Path] | None, host: str) -> Bus:
        return open_bus(Settings(bus_url=SecretStr(bus_url(broker, mine, host)), bus_ca=ca).bus(), None)

    good = bus(certificates.ca, certificates.client, LOOPBACK)
    await good.ping()
    await good.close()
    unknown_to_all = open_bus(bus_url(broker, certificates.client), None)
    plain = open_bus(f"amqp://guest:guest@{LOOPBACK}:{broker.port}/", None)
    for refused in (
        bus(certificates.strange_ca, certificates.client, LOOPBACK),
        bus(certificates.ca, certificates.client, "localhost"),
        bus(certificates.ca, None, LOOPBACK),
        bus(certificates.ca, certificates.stranger, LOOPBACK),
        unknown_to_all,
        plain,
    ):
        with pytest.raises(BusUnavailable):
            await refused.ping()
        await refused.close()


@pytest.mark.parametrize(
    ("ca", "mine", "host"),
    [("ca", "client", LOOPBACK), ("strange_ca", "client", LOOPBACK), ("ca", "client", "localhost"),
     ("ca", "stranger", LOOPBACK), ("ca", None, LOOPBACK)],
)  # fmt: skip
async def test_a_database_that_is_not_ours_or_does_not_know_us(
    certificates: Certificates, postgres: PostgreSQL, monkeypatch: pytest.MonkeyPatch, ca: str, mine: str, host: str
) -> None:
    if mine:
        monkeypatch.setenv("PGSSLCERT", str(getattr(certificates, mine)[0]))
        monkeypatch.setenv("PGSSLKEY", str(getattr(certificates, mine)[1]))
    # What a URL says of TLS itself does not weaken it.
    url = SecretStr(f"{database_url(postgres, host)}?ssl=require")
    database = Database(Settings(database_url=url, database_ca=getattr(certificates, ca)).database())
    if (ca, mine, host) == ("ca", "client", LOOPBACK):
        await database.ping()
    else:
        with pytest.raises((DatabaseUnavailable, DBAPIError)):
            await database.ping()
    await database.close()


async def test_an_authority_that_is_renewed_is_trusted_by_the_next_connection(
    certificates: Certificates, broker: RabbitMQ, postgres: PostgreSQL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And a dump is made over TLS, too."""
    key = tmp_path / "client.key"
    key.touch(0o600)
    key.write_bytes(certificates.client[1].read_bytes())
    monkeypatch.setenv("PGSSLCERT", str(certificates.client[0]))
    monkeypatch.setenv("PGSSLKEY", str(key))
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificates.strange_ca.read_bytes())
    settings = Settings(
        bus_url=SecretStr(bus_url(broker, certificates.client)),
        bus_ca=ca,
        database_url=SecretStr(database_url(postgres)),
        database_ca=ca,
    )
    bus, database = open_bus(settings.bus(), None), Database(settings.database())
    with pytest.raises(BusUnavailable):
        await bus.ping()
    with pytest.raises((DatabaseUnavailable, DBAPIError)):
        await database.ping()
    with pytest.raises(DumpError, match="certificate"):
        await dump(database, tmp_path / "refused.dump")
    ca.write_bytes(certificates.ca.read_bytes())
    await bus.ping()
    await database.ping()
    await dump(database, tmp_path / "database.dump")
    assert (tmp_path / "database.dump").stat().st_size
    await bus.close()
    await database.close()


@pytest.mark.parametrize("case", ["ours", "another authority", "another host", "no certificate", "a stranger's"])
async def test_a_destination_that_is_not_ours_or_does_not_know_us(
    certificates: Certificates, orthanc: Orthanc, https: int, tmp_path: Path, case: str
) -> None:
    ca = certificates.strange_ca if case == "another authority" else certificates.ca
    host = "localhost" if case == "another host" else LOOPBACK
    mine = {"no certificate": None, "a stranger's": certificates.stranger}.get(case, certificates.client)
    kinds = [("dicom", dicom(orthanc, ca, mine, host))]
    if case in ("ours", "another authority", "another host"):
        kinds.append(("dicomweb", dicomweb(https, ca, host)))
    for kind, config in kinds:
        destination = parse_destination(kind, config)
        if case == "ours":
            await echo("research", destination, tmp_path)
        else:
            with pytest.raises(EchoFailed):
                await echo("research", destination, tmp_path)


async def test_the_monitor_asks_over_tls_and_sees_when_certificates_end(
    certificates: Certificates,
    broker: RabbitMQ,
    postgres: PostgreSQL,
    orthanc: Orthanc,
    https: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also of servers that talk only to those who show one; and ours, which they want to see."""
    server, key = certificates.server
    shown = {"PGSSLCERT": certificates.client[0], "PGSSLKEY": certificates.client[1]}
    for name in ("FIONA_RECEIVER_TLS_CERTIFICATE", "FIONA_API_TLS_CERTIFICATE"):
        shown[name] = server
    for name, path in shown.items():
        monkeypatch.setenv(name, str(path))
    store = tmp_path / "store"
    settings = Settings(
        data=store,
        secret_key=SecretStr("a master key for tests only"),
        bus_url=SecretStr(bus_url(broker, certificates.client)),
        bus_ca=certificates.ca,
        database_url=SecretStr(database_url(postgres)),
        database_ca=certificates.ca,
    )
    names = {"monitored": ("dicom", dicom(orthanc, certificates.ca, certificates.client)),
             "monitored web": ("dicomweb", dicomweb(https, certificates.ca))}  # fmt: skip
    listening: dict[str, Any] = {"tls_certificate": server, "tls_key": key, "tls_ca": certificates.ca}
    with LocalReceiver(store, **listening) as receiver:
        context = open_context([monitor], settings)
        await context.database.migrate()
        async with context.database.session() as session:
            for name, (kind, config) in names.items():
                session.add(Destination(name=name, kind=kind, config=config))
        asked: dict[str, Any] = {"receiver_port": receiver.port, "receiver_ca": certificates.ca, "echo_seconds": 30}
        known = MonitorSettings(certificate=certificates.client[0], key=certificates.client[1], **asked)
        unknown = MonitorSettings(**asked)
        try:
            ground = Ground(context, known, Switches(context.store))
            answers = [*await reach.look(ground), *await reach.look_at_destinations(ground)]
            ends = await certificate_ends.look(ground)
            stranger = await reach.look(Ground(context, unknown, Switches(context.store)))
        finally:
            async with context.database.session() as session:
                await session.execute(delete(Destination).where(Destination.name.in_(names)))
            await context.bus.close()
            await context.database.close()
    ours = {each.subject: each for each in answers if each.subject in ("", *names)}
    assert {each.state for each in ours.values()} == {"ok"}, answers
    assert next(each.state for each in stranger if each.check == "receiver") == "failing"
    of_the_road = {"destination research", "ours at research", "destination web"}
    assert {each.subject for each in ends} - of_the_road == {
        "receiver", "monitor", "api", "broker", "ours at broker", "database", "ours at database",
        "destination monitored", "ours at monitored", "destination monitored web",
    }  # fmt: skip
    assert {(each.state, each.detail[:12]) for each in ends} == {("failing", "ends in 24 h")}
