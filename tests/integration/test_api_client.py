"""A client that is generated from the schema: everything has a type, and it talks to the live api by those."""

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

from services.api.app import build
from shared.database import Database
from tests.people import TOKEN
from tests.unit.api.support import BASE, running, series_rows, study_rows

NAME: Final = "fiona_client"
BYTES: Final = dict.fromkeys(("application/zip", "image/png", "text/csv"), "application/octet-stream")
"""Files, to a generator that asks what each media type is."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package, generated without a warning. STOW-RS is left to DICOM's own clients."""
    folder = tmp_path_factory.mktemp("client")
    schema = build().openapi()
    schema["paths"] = {path: each for path, each in schema["paths"].items() if not path.startswith("/dicomweb")}
    (folder / "openapi.json").write_text(json.dumps(schema))
    asked = ConfigFile(
        project_name_override=NAME,
        package_name_override=NAME,
        literal_enums=True,
        content_type_overrides=BYTES,
        post_hooks=[],
    )
    source = folder / "openapi.json"
    found = generate(
        config=Config.from_sources(asked, MetaType.NONE, source, "utf-8", overwrite=False, output_path=folder / NAME)
    )
    assert [(each.header, each.detail) for each in found] == []
    sys.path.insert(0, str(folder))
    yield importlib.import_module(NAME)
    sys.path.remove(str(folder))
    for name in [each for each in sys.modules if each.partition(".")[0] == NAME]:
        del sys.modules[name]


def part(name: str) -> Any:
    """A module of the package."""
    return importlib.import_module(f"{NAME}.{name}")


def test_all_of_it_can_be_imported_and_every_operation_is_there(client: ModuleType) -> None:
    modules = [each.name for each in pkgutil.walk_packages(client.__path__, f"{NAME}.") if not each.ispkg]
    for name in modules:
        importlib.import_module(name)
    made = {name.rpartition(".")[2] for name in modules if name.startswith(f"{NAME}.api.")}
    paths = build().openapi()["paths"].items()
    wanted = {each["operationId"] for path, ways in paths for each in ways.values() if "/dicomweb" not in path}
    assert made == wanted


async def test_it_talks_to_the_live_api(client: ModuleType, sqlite: Database, tmp_path: Path) -> None:
    models = part("models")
    async with running(sqlite, tmp_path) as api:
        await api.project("ABCD-study", participant_pattern=r"ABCD-\d{4}")
        await api.add(*study_rows(api.context.vault, "1.2.3", accession="A-1"), *series_rows("1.2.3", "1.2.3.1"))
        asking = client.AuthenticatedClient(base_url=BASE, token=TOKEN, raise_on_unexpected_status=True)
        asking.set_async_httpx_client(api.client)

        page = await part("api.studies.list_studies").asyncio(client=asking, limit=5)
        [study] = page.items
        assert (study.accession_number, study.instances, study.modalities) == ("A-1", 2, ["MR"])
        search = models.StudySearch(accession_number="A-1")
        assert (await part("api.studies.search_studies").asyncio(client=asking, body=search)).total == 1

        wish = models.AssignmentRequest(project="ABCD-study", participant="ABCD-0001")
        said = await part("api.assignments.assign").asyncio_detailed("1.2.3", client=asking, body=wish)
        assert (said.status_code, said.parsed.state, said.parsed.participant) == (202, "pending", "ABCD-0001")
        wrong = models.AssignmentRequest(project="ABCD-study", participant="17")
        refused = await part("api.assignments.assign").asyncio("1.2.3", client=asking, body=wrong)
        assert isinstance(refused, models.ProblemDetails)
        assert refused.type_ == "urn:fiona:problem:assigned-otherwise"

        entries = models.NewEntries(entries=[models.NewEntry(participant="ABCD-0001", accession_number="A-2")])
        taken = await part("api.coupling.add_coupling").asyncio("ABCD-study", client=asking, body=entries)
        assert [each.by for each in taken.items] == ["accession_number"]
        listed = await part("api.coupling.export_coupling").asyncio("ABCD-study", client=asking)
        assert b"A-2" in listed

        change = models.ProjectChange(description="A cohort")
        changed = await part("api.projects.change_project").asyncio(
            "ABCD-study", client=asking, body=change, if_match="*"
        )
        assert changed.description == "A cohort"
