"""Each real component starts, does one real thing, and after stop and start still has its data."""

from pathlib import Path

import aio_pika
import asyncpg
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from tests.components import dcmtk as tools
from tests.components.fixtures import disposable
from tests.components.orthanc import Orthanc
from tests.components.postgres import PostgreSQL
from tests.components.process import ComponentError, Process
from tests.components.rabbitmq import RabbitMQ

CT = str(get_testdata_file("CT_small.dcm"))


def plain(url: str) -> str:
    """What asyncpg itself wants, of SQLAlchemy's URL."""
    return url.replace("+asyncpg", "")


async def test_rabbitmq_keeps_a_message_over_a_kill(rabbitmq: RabbitMQ, rabbitmq_vhost: str) -> None:
    async with await aio_pika.connect(rabbitmq_vhost) as connection, connection.channel() as channel:
        queue = await channel.declare_queue("smoke", durable=True)
        body = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(body, queue.name)

    rabbitmq.settle()
    rabbitmq.kill()
    assert not rabbitmq.running
    rabbitmq.start()

    async with await aio_pika.connect(rabbitmq_vhost) as connection, connection.channel() as channel:
        message = await (await channel.get_queue("smoke")).get(timeout=60)
        assert message is not None
        assert message.body == b"kept"
        await message.ack()


async def test_a_fresh_vhost_is_empty(rabbitmq: RabbitMQ, rabbitmq_vhost: str) -> None:
    assert rabbitmq.queues(rabbitmq_vhost) == {}


async def test_postgres_keeps_a_committed_row(postgres: PostgreSQL, postgres_database: str) -> None:
    for stop in (postgres.stop, postgres.stop_immediately):
        connection = await asyncpg.connect(plain(postgres_database))
        await connection.execute("CREATE TABLE IF NOT EXISTS smoke (n int); INSERT INTO smoke VALUES (7)")
        await connection.close()
        stop()
        postgres.start()

    connection = await asyncpg.connect(plain(postgres_database))
    assert await connection.fetchval("SELECT sum(n) FROM smoke") == 14
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.close()


async def test_a_paused_postgres_answers_after_resume(postgres: PostgreSQL, postgres_database: str) -> None:
    postgres.pause()
    with pytest.raises(TimeoutError):
        await asyncpg.connect(plain(postgres_database), timeout=0.3)
    postgres.resume()
    connection = await asyncpg.connect(plain(postgres_database))
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


@pytest.mark.usefixtures("dcmtk")
def test_orthanc_keeps_what_storescu_sent(orthanc: Orthanc) -> None:
    uid = dcmread(CT).SOPInstanceUID
    assert tools.echoscu(orthanc.dicom_port, called=orthanc.aet).returncode == 0
    sent = tools.storescu(orthanc.dicom_port, CT, called=orthanc.aet)
    assert sent.returncode == 0, sent.stdout
    assert orthanc.count() == 1

    orthanc.kill()
    orthanc.start()

    assert orthanc.instances() == [uid]
    found = orthanc.api("GET", "/dicom-web/instances").json()
    assert [instance["00080018"]["Value"] for instance in found] == [[uid]]
    [study] = tools.find_responses(
        orthanc.dicom_port, ["QueryRetrieveLevel=STUDY", "StudyInstanceUID"], called=orthanc.aet
    )
    assert study.StudyInstanceUID == dcmread(CT).StudyInstanceUID


@pytest.mark.usefixtures("dcmtk")
def test_orthanc_moves_to_storescp(tmp_path: Path) -> None:
    data = dcmread(CT)
    with tools.StoreSCP(tmp_path / "scp", aet="ARCHIVE") as scp:
        peers = {"archive": ("ARCHIVE", "127.0.0.1", scp.port)}
        with disposable(Orthanc(tmp_path / "pacs", aet="CLINICAL", modalities=peers)) as pacs:
            assert tools.dcmsend(pacs.dicom_port, CT, called="CLINICAL").returncode == 0
            keys = ["QueryRetrieveLevel=STUDY", f"StudyInstanceUID={data.StudyInstanceUID}"]
            assert tools.movescu(pacs.dicom_port, keys, "ARCHIVE", called="CLINICAL").returncode == 0
        [received] = scp.files()
    assert data.SOPInstanceUID in tools.dcmdump(received, "0008,0018").stdout


def test_a_process_that_dies_at_start_shows_its_log(tmp_path: Path) -> None:
    process = Process(["sh", "-c", "echo no such luck; exit 3"], tmp_path / "log")
    with pytest.raises(ComponentError, match=r"status 3\nno such luck"):
        process.wait_ready(lambda: False, timeout=60)
