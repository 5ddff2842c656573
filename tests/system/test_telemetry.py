"""A day with all that can happen to an image, watched from outside: one trace leads from C-STORE to the last
acknowledgement, and no patient stands in a log, trace, metric, message, row or file name."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import aio_pika
import httpx
import pytest
from pydicom import dcmread

from services.__main__ import NAMES
from shared.destinations import DicomDestination
from tests.components.orthanc import Orthanc
from tests.components.otlp import Collector, Received
from tests.components.postgres import PostgreSQL
from tests.components.process import LOOPBACK, free_port, wait_until
from tests.components.rabbitmq import RabbitMQ
from tests.components.raw_peer import CT, RawPeer, store
from tests.components.redcap import RedcapServer
from tests.components.smtp import Inbox, mail_server
from tests.components.webhook import Hook, webhook
from tests.integration.redcap_setting import INCOMING_TOKEN, incoming
from tests.studies import Study, ct_study
from tests.system.gateway import Gateway, running
from tests.system.modality import Modality
from tests.system.test_janitor import examined
from tests.system.test_review import ultrasound

GROUPS = (
    ("receiver",),
    ("indexer", "router", "registry", "redcap", "audit", "janitor", "monitor"),
    ("anonymizer", "sender"),
    ("api",),
)
PHI = (
    *("Hansen", "Canary", "01019012345", "ACC7734421", "19900101", "1990-01-01", "Olsen^Per", "Berg^Anne"),
    *("Storgata 17", "22334455", "CTROOM1", "Canary General"),
    *("Nilsen^Normalia", "NORM-4711", "Kvam^Quarantina", "QUAR-4712", "Ruud^Refusina", "REFU-4713"),
    *("Foss^Failina", "FAIL-4714", "Lie^Lostina", "LOST-4715", "Steen^Stowina", "STOW-4716"),
)
"""What was planted: names, ids, accession, dates, address, telephone, people and places around the patient."""


WAY = {
    *("instances.received.v1", "indexer.instances.received.v1", "series.arrived.v1"),
    *("anonymizer.transfer.requested.v1", "sender.series.anonymized.v1", "sender.delivery.requested.v1"),
    *("send", "router.series.delivered.v1", "router.transfer.completed.v1"),
}
"""The steps of a study's way, by the names of their spans."""


def planted(paths: list[Path], name: str, identity: str) -> Study:
    """The files with an identity of their own everywhere."""
    for path in paths:
        dataset = dcmread(path)
        dataset.PatientName, dataset.PatientID = name, identity
        dataset.OtherPatientIDs = f"{identity}-X"
        dataset.PatientAddress, dataset.PatientTelephoneNumbers = "Storgata 17", "22334455"
        dataset.AdditionalPatientHistory = f"{name} was seen by Olsen^Per"
        dataset.save_as(path, enforce_file_format=True)
    return Study(str(dataset.StudyInstanceUID), paths)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as hook:
        yield hook


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def told(hook: Hook, inbox: Inbox, tmp_path: Path) -> Iterator[dict[str, str]]:
    """People, by webhook and mail, and REDCap's table of what comes in."""
    token = tmp_path / "incoming"
    token.write_text(f"{INCOMING_TOKEN}\n")
    with mail_server(inbox) as port, RedcapServer(incoming()) as redcap:
        yield {
            "FIONA_MONITOR_WEBHOOK_URL": hook.url,
            "FIONA_MONITOR_WEBHOOK_TOKEN": "a secret",
            "FIONA_MONITOR_MAIL_TO": "oncall@example.org",
            "FIONA_MONITOR_EVERY_SECONDS": "2",
            "FIONA_MONITOR_LOOKS": "1",
            "FIONA_REGISTRY_SMTP_HOST": LOOPBACK,
            "FIONA_REGISTRY_SMTP_PORT": str(port),
            "FIONA_REGISTRY_SMTP_TLS": "none",
            "FIONA_REGISTRY_MAIL_SECONDS": "1",
            "FIONA_REDCAP_URL": redcap.url,
            "FIONA_REDCAP_INCOMING_TOKEN_FILE": str(token),
            "FIONA_REDCAP_POLL_SECONDS": "0.5",
        }


@pytest.fixture
def gateway(
    tmp_path: Path, rabbitmq_vhost: str, postgres_database: str, collector: Collector, told: dict[str, str]
) -> Iterator[Gateway]:
    (tmp_path / "temporary").mkdir()
    environment = {
        **told,
        "TMPDIR": str(tmp_path / "temporary"),
        "FIONA_BUS_URL": rabbitmq_vhost,
        "FIONA_DATABASE_URL": postgres_database,
        "FIONA_OTLP_ENDPOINT": collector.url,
        "FIONA_BUS_RETRY_SECONDS": "[0.5, 1]",
        "FIONA_LOG_LEVEL": "DEBUG",
        "FIONA_ANONYMIZER_WORKERS": "1",
    }
    with running(Gateway(tmp_path, environment, GROUPS)) as gateway:
        yield gateway


async def _messages(url: str, prefix: str = "fiona") -> list[str]:
    """Everything that waits in the broker, and a copy of everything that went over it since it was tapped."""
    connection = await aio_pika.connect(url)
    found: list[str] = []
    async with connection, connection.channel() as channel:
        for name in ("tap", f"{prefix}.retry.0.5s", f"{prefix}.retry.1s", f"{prefix}.dead"):
            queue = await channel.get_queue(name)
            while (message := await queue.get(fail=False, no_ack=name == "tap")) is not None:
                found.append(f"{message.routing_key} {message.info()} {message.body.decode()}")
    return found


async def _tap(url: str, prefix: str = "fiona") -> None:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        queue = await channel.declare_queue("tap", durable=True)
        await queue.bind(prefix, "#")


def refuse(port: int, path: Path) -> None:
    """Instances that cannot be kept: a UID that is none, a dataset that breaks off; and a peer that goes."""
    content = path.read_bytes()
    whole = content[content.index(b"\x08\x00\x05\x00CS") :]
    with RawPeer.associated(port, calling="MODALITY") as peer:
        peer.send(*store(CT, "1.2.Ruud^Refusina", whole))
        assert peer.receive().status != 0
        peer.send(*store(CT, dcmread(path).SOPInstanceUID, whole[:200]))
        assert peer.receive().status != 0
        peer.send(store(CT, "1.2.3", whole)[0][:-4])


def road(gateway: Gateway, orthanc: Orthanc, tmp_path: Path) -> tuple[Study, Study]:
    """Normal, quarantined, refused, failing and lost studies; returns the normal one and that which came by STOW-RS."""
    normal = planted(ct_study(tmp_path / "normal", images=3).files, "Nilsen^Normalia", "NORM-4711")
    odd = planted([ultrasound(tmp_path / "odd")], "Kvam^Quarantina", "QUAR-4712")
    refused = planted(ct_study(tmp_path / "refused", images=1).files, "Ruud^Refusina", "REFU-4713")
    failing = planted(ct_study(tmp_path / "failing", images=1).files, "Foss^Failina", "FAIL-4714")
    lost = planted(ct_study(tmp_path / "lost", images=1).files, "Lie^Lostina", "LOST-4715")
    stowed = planted(ct_study(tmp_path / "stowed", images=2).files, "Steen^Stowina", "STOW-4716")
    research = DicomDestination(host=LOOPBACK, port=orthanc.dicom_port, called_aet=orthanc.aet)
    gone = DicomDestination(host=LOOPBACK, port=free_port(), called_aet="GONE")
    for name, config in {"research": research, "gone": gone}.items():
        body = {"name": name, "kind": "dicom", "config": config.model_dump(include={"host", "port", "called_aet"})}
        gateway.call("POST", "/destinations", json=body)
    gateway.call("POST", "/destinations", json={"name": "shelf", "kind": "folder", "config": {}})
    gateway.call("POST", "/projects", json={"name": "GOODROAD", "destinations": ["research", "shelf"]})
    gateway.call("POST", "/projects", json={"name": "BADROAD", "destinations": ["gone"]})
    for study in (normal, odd, failing, lost):
        with Modality(study.files, gateway.dicom_port) as modality:
            modality.wait_for(len(study.files))
    refuse(gateway.dicom_port, refused.files[0])
    parts = b"".join(
        b"--X\r\nContent-Type: application/dicom\r\n\r\n" + path.read_bytes() + b"\r\n" for path in stowed.files
    )
    answer = httpx.post(
        f"http://{LOOPBACK}:{gateway.api_port}/dicomweb/studies",
        content=parts + b"--X--\r\n",
        headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=X'},
        timeout=120,
    )
    assert answer.status_code == 200
    gateway.assign(normal.study_instance_uid, "GOODROAD", "P001")
    gateway.assign(odd.study_instance_uid, "GOODROAD", "P002")
    gateway.assign(stowed.study_instance_uid, "GOODROAD", "P003")
    gateway.assign(failing.study_instance_uid, "BADROAD", "P004")
    wait_until(lambda: gateway._known(lost.study_instance_uid), 240, "the study in the catalogue")
    for path in (gateway.data / "archive" / f"scp_{lost.study_instance_uid}").iterdir():
        path.unlink()
    gateway.assign(lost.study_instance_uid, "GOODROAD", "P005")
    return normal, stowed


def states(gateway: Gateway) -> dict[str, str]:
    return {item["participant"]: item["state"] for item in gateway.transfers()}


def rows(postgres: PostgreSQL, url: str) -> str:
    """Every row of every table, identities (which are sealed) included."""
    tables = "SELECT * FROM pg_tables WHERE schemaname IN ('public', 'identity')"
    each = "query_to_xml(format('SELECT * FROM %I.%I', schemaname, tablename), true, false, '')::text"
    return postgres.sql(f"SELECT string_agg({each}, ' ') FROM ({tables}) AS tables", url.rpartition("/")[2])


def connected(spans: list[Received]) -> bool:
    """Whether every span hangs on another one of the trace, but for the one that all hang on."""
    known = {span.span for span in spans}
    return sum(span.parent not in known for span in spans) == 1


def connected_in(collector: Collector, trace: str) -> bool:
    return connected(collector.trace(trace))


def test_one_trace_and_no_patient(
    gateway: Gateway,
    collector: Collector,
    orthanc: Orthanc,
    rabbitmq: RabbitMQ,
    rabbitmq_vhost: str,
    postgres: PostgreSQL,
    postgres_database: str,
    hook: Hook,
    inbox: Inbox,
    tmp_path: Path,
) -> None:
    assert {name for group in GROUPS for name in group} == set(NAMES)
    asyncio.run(_tap(rabbitmq_vhost))
    normal, stowed = road(gateway, orthanc, tmp_path)
    ended = {"P001": "completed", "P002": "quarantined", "P003": "completed"}
    wait_until(lambda: ended.items() <= states(gateway).items(), 300, "the transfers' ends", every=0.5)
    wait_until(lambda: bool(hook.told and inbox.mails), 240, "people to be told of what is gone")
    postgres.sql("DELETE FROM destinations WHERE name = 'gone'", postgres_database.rpartition("/")[2])
    wait_until(lambda: gateway.call("GET", "/dead")["total"] > 0, 240, "a dead letter", every=0.5)
    for kind in ("report", "examine"):
        examined(gateway, kind)
    wait_until(lambda: _ended(collector, normal) and _ended(collector, stowed), 120, "the last spans")

    for study, images, root in ((normal, 3, "association"), (stowed, 2, "store_instances")):
        uid = study.study_instance_uid
        # Each process hands over its spans in its own time.
        wait_until(partial(_told, collector, root, uid, 2 * images), 120, f"the trace of {root}", every=0.5)
        first = next(span for span in collector.spans if span.name == root and _brought(collector, span, uid))
        wait_until(partial(connected_in, collector, first.trace), 120, "a whole trace", every=0.5)
        spans = collector.trace(first.trace)
        names = [span.name for span in spans]
        if root == "association":
            assert names.count("C-STORE") == images
        assert {"-".join(GROUPS[1]), "-".join(GROUPS[2])} < {span.service for span in spans}

    pages = {
        name: httpx.get(f"http://{LOOPBACK}:{process.health_port}/metrics", timeout=60).text
        for name, process in gateway.processes.items()
    }
    for process in gateway.processes.values():
        for name in process.names:
            assert f'fiona_service_ready{{service="{name}"}} 1.0' in pages[process.names[0]]
    messages = asyncio.run(_messages(rabbitmq_vhost))
    assert any("no destination gone" in each for each in messages)
    assert any("traceparent" in each for each in messages)
    kept = [path for path in (gateway.data / "audit").rglob("*") if path.is_file()]
    temporary = list((tmp_path / "temporary").rglob("*"))
    sent = [path for folder in ("outbox", "anonymized") for path in (gateway.data / folder).rglob("*")]
    assert sum(path.suffix == ".dcm" for path in sent) >= 5
    watched = {
        "logs": gateway.logs(),
        "traces": b"".join(collector.bodies).decode("latin-1"),
        "metrics": "".join(pages.values()),
        "messages": "\n".join(messages),
        "rows": rows(postgres, postgres_database),
        "outbox": postgres.sql(
            "SELECT convert_from(content, 'UTF8') FROM outbox", postgres_database.rpartition("/")[2]
        ),
        "file names": "\n".join(str(path.relative_to(gateway.data)) for path in sent),
        "files": "".join(path.read_bytes().decode("latin-1") for path in sent if path.is_file()),
        "mails": "\n".join(mail.as_string() for mail in inbox.mails),
        "webhook": json.dumps(hook.told),
        "audit": "\n".join(f"{path} {_there(path)}" for path in kept),
        "temporary files": "\n".join(f"{path} {_there(path)}" for path in temporary),
        "other names": "\n".join(
            str(path) for folder in ("review", "exports", "switches") for path in (gateway.data / folder).rglob("*")
        ),
        "journal": "\n".join(map(str, (gateway.data / "journal").rglob("*"))),
        "at the destination": "".join(orthanc.dicom(uid).decode("latin-1") for uid in orthanc.instances()),
    }
    spoken = ("logs", "traces", "metrics", "messages", "rows", "file names", "files", "mails", "webhook")
    assert all(watched[name] for name in spoken)
    assert all(f"fiona.{name}" in watched["logs"] for name in ("janitor", "monitor", "redcap", "audit"))
    assert "does not fit" in watched["logs"], "the janitor has something to say"
    found = {(where, what) for where, text in watched.items() for what in PHI if what.lower() in text.lower()}
    # The catalogue says which scanner it was.
    assert found <= {("rows", "CTROOM1")}
    assert '"trace_id"' in watched["logs"]


def _there(path: Path) -> str:
    """What is in a file, if it is one and still there: one of the audit's spool goes as soon as it is in the chain."""
    try:
        return path.read_bytes().decode("latin-1")
    except (FileNotFoundError, IsADirectoryError):
        return ""


def _told(collector: Collector, root: str, uid: str, taken: int) -> bool:
    """Whether each step of a study's way has its span, and so many instances were taken at the end of it."""
    for first in [span for span in collector.spans if span.name == root and _brought(collector, span, uid)]:
        spans = collector.trace(first.trace)
        said = [event[1] for span in spans if span.name == "send" for event in span.events if event[0] == "taken"]
        if {span.name for span in spans} >= WAY and sum(each["fiona.instances"] for each in said) >= taken:
            assert sum(each["fiona.instances"] for each in said) == taken
            return True
    return False


def _ended(collector: Collector, study: Study) -> bool:
    """Whether the router has told the collector that it knows of both destinations' last words."""
    names = [
        span.name
        for span in collector.spans
        if span.name == "router.transfer.completed.v1" and _brought(collector, span, study.study_instance_uid)
    ]
    return bool(names)


def _brought(collector: Collector, root: Received, study_uid: str) -> bool:
    return any(span.attributes.get("fiona.study_instance_uid") == study_uid for span in collector.trace(root.trace))
