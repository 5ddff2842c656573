"""The pages about services say what the code does: events, tables and settings are compared."""

import re
from importlib import import_module, util
from pathlib import Path

import pytest

from scripts import generate_metric_docs as metrics
from services.__main__ import NAMES, load
from shared.events import EVENTS
from shared.settings import FionaSettings
from shared.tables import Base
from shared.topology import SUBSCRIPTIONS

DOCS = Path(__file__).parent.parent.parent / "docs"
TABLES = {table.name for table in Base.metadata.tables.values()}
TABLES_OF = {"api": ("registry", "life", "people", "orders"), "registry": ("mail",)}
"""The modules of tables of a service that are not called as the service is."""


def page(service: str) -> str:
    return (DOCS / f"services/{service}.md").read_text("utf-8")


def section(service: str, title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page(service), re.MULTILINE | re.DOTALL)
    assert found, f"docs/services/{service}.md has no section {title}"
    return found.group(1)


def owned(service: str) -> set[str]:
    """The tables that a service writes: those of its modules in shared.tables."""
    modules = {f"shared.tables.{name}" for name in TABLES_OF.get(service, (service,))}
    return {
        Base.metadata.tables[str(mapper.local_table)].name
        for mapper in Base.registry.mappers
        if mapper.class_.__module__ in modules
    }


def variables(service: str) -> set[str]:
    """The variables that a service's own settings classes read."""
    if util.find_spec(f"services.{service}.settings") is None:
        return set()
    module = import_module(f"services.{service}.settings")
    classes = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, FionaSettings) and each.__module__ == module.__name__
    ]
    return {f"{each.model_config['env_prefix']}{name}".upper() for each in classes for name in each.model_fields}


def test_every_service_has_a_page_and_every_page_a_service() -> None:
    assert {path.stem for path in (DOCS / "services").glob("*.md")} == set(NAMES)


@pytest.mark.parametrize("service", NAMES)
def test_what_it_reads(service: str) -> None:
    listened = {event.name for event in SUBSCRIPTIONS.get(service, ())}
    assert listened == {handler.event.name for handler in load(service).handlers}
    assert listened <= set(re.findall(r"`([a-z.]+\.v\d+)`", section(service, "Reads")))


@pytest.mark.parametrize("service", NAMES)
def test_what_it_names_exists(service: str) -> None:
    assert set(re.findall(r"`([a-z]+\.[a-z.]+\.v\d+)`", page(service))) <= set(EVENTS)
    for line in re.findall(r"tables? (`.*)", section(service, "Reads") + section(service, "Writes")):
        assert set(re.findall(r"`([a-z_]+)`", line)) <= TABLES


@pytest.mark.parametrize("service", NAMES)
def test_what_it_writes(service: str) -> None:
    assert owned(service) <= set(re.findall(r"`([a-z_]+)`", section(service, "Writes")))


@pytest.mark.parametrize("service", NAMES)
def test_every_setting_is_told_and_every_told_setting_exists(service: str) -> None:
    told = set(re.findall(rf"`(FIONA_{service.upper()}_[A-Z_]+)`", page(service)))
    assert told == variables(service)


def links(path: Path) -> set[Path]:
    """The files that a page of ours leads to."""
    found = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    return {(path.parent / each).resolve() for each in found}


def test_every_link_leads_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]
    assert {(page.name, target) for page in pages for target in links(page) if not target.exists()} == set()


def test_every_page_is_in_the_index() -> None:
    pages = {path.resolve() for path in DOCS.rglob("*.md") if path.parent.name != "decisions"}
    assert pages - links(DOCS / "README.md") == {(DOCS / "README.md").resolve()}


def test_the_operations_page_tells_the_common_settings() -> None:
    text = (DOCS / "operations.md").read_text("utf-8")
    from shared.settings import Settings

    assert {f"FIONA_{name.upper()}" for name in Settings.model_fields} <= set(re.findall(r"`(FIONA_[A-Z_]+)`", text))


def test_the_page_of_metrics_is_current() -> None:
    assert metrics.TARGET.read_text("utf-8") == metrics.document(), "run: python -m scripts.generate_metric_docs"
