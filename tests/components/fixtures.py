"""Pytest fixtures for the real components: absent, they skip on a desk and fail where CI=true."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from shared.database import Database
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


def migrated(url: str) -> None:
    """Bring a database to the schema of this code, from a place without a loop."""

    async def migrate() -> None:
        database = Database(url)
        try:
            await database.migrate()
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, migrate()).result()


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
def postgres_template(postgres: PostgreSQL) -> str:
    """The name of a migrated database, to be copied: that takes a tenth of the time of migrating."""
    url = postgres.ensure().create_database("migrated")
    migrated(url)
    return "migrated"


@pytest.fixture
def migrated_postgres(postgres: PostgreSQL, postgres_template: str) -> Iterator[str]:
    """The URL of a migrated database for this test alone."""
    url = postgres.ensure().fresh_database(postgres_template)
    yield url
    postgres.ensure().drop_database(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite"
    migrated(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
def migrated_sqlite(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated database for this test alone."""
    path = tmp_path / "fiona.sqlite"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite+aiosqlite:///{path}"


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
