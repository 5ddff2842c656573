"""Pytest fixtures for the real components: absent, they skip on a desk and fail where CI=true."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.components import ComponentMissing, require
from tests.components.orthanc import Orthanc
from tests.components.postgres import PostgreSQL
from tests.components.rabbitmq import RabbitMQ
from tests.components.server import Server

S = TypeVar("S", bound=Server)


def need(*names: str) -> None:
    """Skip the test when one is not installed; where CI=true, fail."""
    try:
        require(*names)
    except ComponentMissing as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@contextmanager
def disposable(server: S) -> Iterator[S]:
    """Started for the block and killed after it: nobody wants its data, and a polite stop takes seconds."""
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture(scope="session")
def components_folder() -> Iterator[Path]:
    """The servers' folder; unlike tmp_path it can be entered by the user that PostgreSQL runs as."""
    folder = Path(tempfile.mkdtemp(prefix="fiona-components-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def rabbitmq(components_folder: Path) -> Iterator[RabbitMQ]:
    """One broker for the whole run; whoever stops it starts it again."""
    need("rabbitmq")
    with disposable(RabbitMQ(components_folder / "rabbitmq")) as server:
        yield server


@pytest.fixture
def rabbitmq_vhost(rabbitmq: RabbitMQ) -> Iterator[str]:
    """The AMQP URL of an empty virtual host for this test alone (0.1 s)."""
    url = rabbitmq.ensure().fresh_vhost()
    yield url
    rabbitmq.ensure().drop_vhost(url)


@pytest.fixture(scope="session")
def postgres(components_folder: Path) -> Iterator[PostgreSQL]:
    """One cluster for the whole run, durable; whoever stops it starts it again."""
    need("postgres")
    with disposable(PostgreSQL(components_folder / "postgres")) as server:
        yield server


@pytest.fixture
def postgres_database(postgres: PostgreSQL) -> Iterator[str]:
    """The URL of an empty database for this test alone."""
    url = postgres.ensure().fresh_database()
    yield url
    postgres.ensure().drop_database(url)


@pytest.fixture(scope="session")
def orthanc_server(components_folder: Path) -> Iterator[Orthanc]:
    """One research PACS for the whole run, with whatever the tests before left in it."""
    need("orthanc")
    with disposable(Orthanc(components_folder / "orthanc")) as server:
        yield server


@pytest.fixture
def orthanc(orthanc_server: Orthanc) -> Orthanc:
    """The research PACS, empty."""
    orthanc_server.ensure().clear()
    return orthanc_server


@pytest.fixture(scope="session")
def dcmtk() -> None:
    """DCMTK's programs are there: for tests that call tests.components.dcmtk."""
    need("dcmtk")
