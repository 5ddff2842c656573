"""What every test may ask for: the real components, and a database and a bus of either kind."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import _config
from xdist.scheduler import LoadFileScheduling

from shared.database import Database
from shared.store import Store

pytest_plugins = ["tests.components.fixtures"]

SYSTEM = "tests/system/"


class OneGatewayAtATime(LoadFileScheduling):  # type: ignore[misc]
    """The files of tests/system are one after the other the work of one process: each fills a machine by itself."""

    def _split_scope(self, nodeid: str) -> str:
        return SYSTEM if nodeid.startswith(SYSTEM) else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneGatewayAtATime | None:
    """Who takes which tests."""
    return OneGatewayAtATime(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(key=lambda item: not item.nodeid.startswith(SYSTEM))


@pytest.fixture(autouse=True, scope="session")
def nobody_is_signed_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What whoever runs the tests has saved by `fiona login` is none of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def pynetdicom_as_it_was() -> Iterator[None]:
    """A receiver in this process sets what holds for all of pynetdicom."""
    before = _config.UNRESTRICTED_STORAGE_SERVICE
    yield
    _config.UNRESTRICTED_STORAGE_SERVICE = before


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
async def sqlite(migrated_sqlite: str) -> AsyncIterator[Database]:
    """A migrated SQLite database of its own."""
    database = Database(migrated_sqlite)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A migrated database: the test runs once on each kind."""
    found = {"sqlite": "migrated_sqlite", "postgresql": "migrated_postgres"}[request.param]
    database = Database(request.getfixturevalue(found))
    await database.migrate()
    yield database
    await database.close()
