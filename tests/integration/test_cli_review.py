"""The reviewer's commands of `fiona` against a served api: what they print, what they save, how they end."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.main import run
from deidentification.pixels import Findings
from deidentification.pixels.findings import Box, FrameFinding
from services.anonymizer.findings import write_findings
from services.api.service import service as api_service
from shared.crypto import Vault
from shared.events import TransferRequested
from shared.log import configure
from shared.store import Store
from shared.tables import Instance, Transfer, TransferPart
from tests.integration.test_api_attributes import KVP, kept
from tests.integration.test_api_quarantine import quarantined
from tests.integration.test_api_server import make_project
from tests.people import MANAGER, TOKEN
from tests.unit.api.serving import put, served
from tests.unit.api.support import KEY, assignment, dicom, series_rows, study_rows

PROJECT, STUDY, SERIES = "ABCD-study", "1.2.3", "1.2.3.1"
MINE = "name: mine\nbase: basic\nattributes:\n  StudyDescription: clean\n"


class Fiona:
    """Runs commands in a thread: the exit code, and what was printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    async def __call__(self, *arguments: object) -> int:
        self._capsys.readouterr()
        code = await asyncio.to_thread(run, [str(argument) for argument in arguments])
        self.out, self.err = self._capsys.readouterr()
        return code

    async def json(self, *arguments: object) -> Any:
        assert await self(*arguments, "--json") == 0, self.err
        return json.loads(self.out)


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """An api with a project, a transfer of it in quarantine, and pixels that were read."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    store, vault = Store(tmp_path / "store"), Vault(KEY.encode())
    monkeypatch.setenv("FIONA_TOKEN", TOKEN)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    configure(stream=io.StringIO())
    async with served(url, store.root, monkeypatch, api_service) as client:
        monkeypatch.setenv("FIONA_API", str(client.base_url))
        await make_project(client)
        place = Store.instance(STUDY, f"{SERIES}.1")
        store.write(place, dicom(STUDY, f"{SERIES}.1", SeriesDescription="knee DOE"))
        series = series_rows(STUDY, SERIES, 2)
        for row in series:
            if isinstance(row, Instance) and row.sop_instance_uid == f"{SERIES}.1":
                row.path = place
        taken = assignment(STUDY, PROJECT)
        asked = TransferRequested(
            transfer="t1", parts=1, project=PROJECT, participant="X1", event="Unknown", destinations=("here",),
            profile="basic", study_instance_uid=STUDY, series_instance_uid=SERIES, revision=1, instances=2,
        )  # fmt: skip
        rows = [
            *study_rows(vault, STUDY),
            *series,
            taken,
            Transfer(
                id="t1", assignment=taken.id, study_instance_uid=STUDY, project=PROJECT, participant="X1",
                event="Unknown", reason="person", state="quarantined", instances=2, profile="basic",
            ),
            TransferPart(
                transfer="t1", assignment=taken.id, series_instance_uid=SERIES, revision=1, destination="here",
                instances=2,
            ),
            quarantined("t1", f"{SERIES}.1", SERIES, "gate-name", where="(0008,103E)"),
            quarantined("t1", f"{SERIES}.2", SERIES, "truncated", where=""),
            kept(KVP, "KVP", "DS", "120", 2),
        ]  # fmt: skip
        await put(url, rows)
        boxes = (FrameFinding((1,), (Box(1, 2, 30, 10, 0.98, "text", "DOE JANE"),)),)
        found = Findings(read=1, changed=1, frames=boxes, before=b"\x89PNG before", after=b"\x89PNG after")
        write_findings(store, vault, asked, {"2.25.1": found, "2.25.2": Findings(read=1)})
        yield client


@pytest.fixture
def fiona(gateway: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> Fiona:
    return Fiona(capsys)


async def test_quarantine(fiona: Fiona, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await fiona("quarantine", "list") == 0
    assert "gate-name" in fiona.out
    assert "truncated" in fiona.out
    groups = await fiona.json("quarantine", "list", "--project", PROJECT)
    assert [(each["rule"], each["of"]) for each in groups] == [("gate-name", 2), ("truncated", 2)]
    [one] = await fiona.json("quarantine", "list", "--rule", "gate-name", "--instances")
    assert one["sop_instance_uid"] == f"{SERIES}.1"
    assert len(await fiona.json("quarantine", "show", "t1")) == 2
    assert (await fiona.json("quarantine", "show", "t1", f"{SERIES}.2"))["rule"] == "truncated"
    assert await fiona("quarantine", "show", "t1", "9.9") == 4
    assert await fiona("quarantine", "show", "none") == 4
    assert (await fiona.json("quarantine", "show", "t1", f"{SERIES}.1", "--value"))["value"] == "knee DOE"

    release = ("quarantine", "release", "t1", "--reason", "a phantom")
    assert await fiona(*release) == 2
    assert await fiona(*release, "--all", "--yes") == 5
    assert "truncated: it cannot be read whole" in fiona.err
    assert await fiona(*release, "--rule", "gate-name") == 1, "nobody is there to say yes"
    assert "release 1 instances of t1?" in fiona.err
    made = await fiona.json(*release, "--rule", "gate-name", "--yes")
    assert (made["instances"], made["reviewer"]) == (1, "k.olsen")
    assert await fiona(*release, f"{SERIES}.1", "--yes") == 5
    assert await fiona("quarantine", "drop", "t1", "--reason", "a torn file", "--all", "--yes") == 0
    assert "drop: 1 instances" in fiona.out
    assert await fiona("quarantine", "list") == 0
    assert "nothing waits in quarantine" in fiona.err
    assert len(await fiona.json("quarantine", "list", "--all")) == 2
    assert [each["reason"] for each in await fiona.json("quarantine", "reviews")] == ["a torn file", "a phantom"]
    assert await fiona("quarantine", "reviews", "--transfer", "t1") == 0
    assert "a phantom" in fiona.out

    monkeypatch.setenv("FIONA_TOKEN", "another token, as long")
    assert await fiona("quarantine", "show", "t1", f"{SERIES}.1", "--value") == 6
    assert "fiona login" in fiona.err
    monkeypatch.setenv("FIONA_TOKEN", MANAGER)
    assert await fiona("quarantine", "show", "t1", f"{SERIES}.1", "--value") == 6
    assert "You may not do this" in fiona.err
    assert [each["reason"] for each in await fiona.json("quarantine", "reviews")] == [None, None]


async def test_pixels(fiona: Fiona, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await fiona("pixels", "t1") == 0
    assert "2.25.1" in fiona.out
    assert "DOE" not in fiona.out
    assert [each["changed"] for each in await fiona.json("pixels", "t1")] == [1, 0]
    folder = tmp_path / "saved"
    assert await fiona("pixels", "t1", "--save", folder) == 0
    assert {path.name for path in folder.iterdir()} == {"2.25.1.texts.json", "2.25.1.before.png", "2.25.1.after.png"}
    assert (folder / "2.25.1.before.png").read_bytes() == b"\x89PNG before"
    assert "DOE JANE" in (folder / "2.25.1.texts.json").read_text()
    assert await fiona("pixels", "none") == 4
    monkeypatch.setenv("FIONA_TOKEN", MANAGER)
    assert await fiona("pixels", "t1", "--save", tmp_path / "other") == 6
    assert not list((tmp_path / "other").glob("*"))


async def test_profiles_of_a_project(fiona: Fiona, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    assert await fiona("profile", "versions", PROJECT) == 0
    assert "built-in" in fiona.err
    changes = await fiona.json("profile", "diff", file, "--project", PROJECT)
    assert [each["attribute"] for each in changes] == ["StudyDescription"]
    assert await fiona("profile", "set", PROJECT, file, "--reason", "as agreed") == 0
    assert "has version 1" in fiona.out
    assert await fiona("profile", "show", "--project", PROJECT) == 0
    assert fiona.out == MINE
    assert await fiona("profile", "explain", "StudyDescription", "--project", PROJECT) == 0
    assert "the project's own rule" in fiona.out
    file.write_text("name: x\nnonsense: 1\n")
    assert await fiona("profile", "set", PROJECT, file, "--reason", "x") == 1
    assert "content.nonsense: unknown" in fiona.err
    assert [each["version"] for each in await fiona.json("profile", "versions", PROJECT)] == [1]
    assert await fiona("profile", "show", "--project", PROJECT, "--version", "2") == 4
    assert await fiona("profile", "show", "--project", "nobody") == 4


async def test_attributes(fiona: Fiona, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await fiona("attributes", "list", PROJECT, "--search", "kvp") == 0
    assert "120 (2)" in fiona.out
    assert await fiona.json("attributes", "list", PROJECT, "--vr", "LO") == []
    assert await fiona.json("attributes", "show", PROJECT, KVP) == [{"value": "120", "count": 2}]
    assert await fiona("attributes", "proposal", PROJECT) == 0
    assert "nothing" in fiona.err
    assert await fiona("attributes", "accept", PROJECT, "--yes") == 5
    assert (await fiona.json("attributes", "mark", PROJECT, KVP, "--reason", "x", "--fine"))["verdict"] == "fine"
    assert (await fiona.json("attributes", "mark", PROJECT, KVP, "--reason", "x"))["verdict"] == "must-go"
    assert await fiona("attributes", "mark", PROJECT, "(0008,0000)", "--reason", "x") == 4
    assert await fiona("attributes", "proposal", PROJECT) == 0
    assert "KVP: remove" in fiona.out
    assert (await fiona.json("attributes", "proposal", PROJECT))["paths"] == [KVP]
    assert await fiona("attributes", "accept", PROJECT) == 1, "nobody is there to say yes"
    assert await fiona("attributes", "accept", PROJECT, "--yes") == 0
    assert "has version 1" in fiona.out


async def test_a_project_is_changed_and_its_key_kept(fiona: Fiona, tmp_path: Path) -> None:
    changed = await fiona.json("project", "set", PROJECT, "--description", "phase 2", "--inactive", "--event", "one")
    assert (changed["description"], changed["active"], changed["events"]) == ("phase 2", False, ["one"])
    assert await fiona("project", "set", PROJECT) == 2
    assert await fiona("project", "set", PROJECT, "--profile", "nothing") == 1
    words, sealed, key = tmp_path / "words", tmp_path / "sealed.json", tmp_path / "key"
    words.write_text("correct horse battery\n")
    assert await fiona("project", "key", PROJECT, "--to", sealed, "--passphrase-file", words) == 0
    assert json.loads(sealed.read_text())["project"] == PROJECT
    assert await fiona("project", "open-key", sealed, "--to", key, "--passphrase-file", words) == 0
    assert len(bytes.fromhex(key.read_text().strip())) == 32
