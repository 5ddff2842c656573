"""What was found in pixels over REST: boxes for everybody, texts and pictures of before for the role."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deidentification.pixels import Findings
from deidentification.pixels.findings import Box, FrameFinding
from services.anonymizer.findings import write_findings
from shared.crypto import Vault
from shared.database import Database
from shared.events import TransferRequested
from shared.log import configure
from shared.tables import Transfer, TransferPart
from tests.people import MANAGER
from tests.unit.api.support import Api, assignment, kind, running

STUDY, SERIES = "1.2.3", "1.2.3.1"
READ = Findings(
    read=3,
    changed=2,
    frames=(FrameFinding((1, 2), (Box(1, 2, 30, 10, 0.98, "text", "DOE JANE"), Box(5, 5, 9, 9, 1.0, "code", "0042"))),),
    masks=("status line",),
    before=b"\x89PNG before",
    after=b"\x89PNG after",
)
CLEAN = Findings(read=1)


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        taken = assignment(STUDY, "ABCD-study")
        await api.add(
            taken,
            Transfer(
                id="t1", assignment=taken.id, study_instance_uid=STUDY, project="ABCD-study", participant="X1",
                event="Unknown", reason="person",
            ),
            *(
                TransferPart(
                    transfer="t1", assignment=taken.id, series_instance_uid=SERIES, revision=revision,
                    destination=destination, instances=2,
                )
                for revision in (1, 2)
                for destination in ("here", "there")
            ),
        )  # fmt: skip
        for revision, found in ((1, {"2.25.1": READ, "2.25.2": CLEAN}), (2, {"2.25.3": Findings(exempt=True)})):
            event = TransferRequested(
                transfer="t1", parts=2, project="ABCD-study", participant="X1", event="Unknown", destinations=(),
                profile="basic", study_instance_uid=STUDY, series_instance_uid=SERIES, revision=revision, instances=2,
            )  # fmt: skip
            write_findings(api.context.store, api.context.vault, event, found)
        yield api


async def test_in_numbers(api: Api) -> None:
    page = (await api.get("/transfers/t1/pixels")).json()
    assert page["total"] == 3
    assert page["items"][0] == {
        "sop_instance_uid": "2.25.1", "series_instance_uid": SERIES, "revision": 1, "read": 3, "changed": 2,
        "exempt": False, "masks": ["status line"], "boxes": 2, "pictures": True,
    }  # fmt: skip
    assert [(each["exempt"], each["pictures"]) for each in page["items"][1:]] == [(False, False), (True, False)]
    assert (await api.get("/transfers/t1/pixels", limit=1, offset=2)).json()["items"] == page["items"][2:]
    assert kind(await api.get("/transfers/none/pixels")) == "unknown-transfer"


async def test_boxes_without_texts(api: Api) -> None:
    answer = await api.get("/transfers/t1/pixels/2.25.1")
    [frame] = answer.json()["frames"]
    assert frame["frames"] == [[1, 2]]
    assert frame["boxes"][0] == {"x": 1, "y": 2, "width": 30, "height": 10, "confidence": 0.98, "kind": "text"}
    assert "DOE" not in answer.text
    assert kind(await api.get("/transfers/t1/pixels/2.25.9")) == "unknown-finding"
    assert (await api.get("/transfers/t1/pixels/..%2f..%2fsecret")).status_code in (404, 422)
    after = await api.get("/transfers/t1/pixels/2.25.1/after.png")
    assert (after.content, after.headers["content-type"]) == (b"\x89PNG after", "image/png")
    assert after.headers["cache-control"] == "no-store"
    assert kind(await api.get("/transfers/t1/pixels/2.25.2/after.png")) == "unknown-picture"


async def test_what_is_for_the_role(api: Api) -> None:
    stream = io.StringIO()
    configure(stream=stream)
    path = "/transfers/t1/pixels/2.25.1"
    for ending in ("texts", "before.png"):
        assert kind(await api.by(MANAGER, "GET", f"{path}/{ending}")) == "forbidden"
        assert kind(await api.get(f"/transfers/t1/pixels/2.25.2/{ending}")) == "unknown-picture"
    assert "shown" not in stream.getvalue()
    texts = (await api.get(f"{path}/texts")).json()
    assert [box["text"] for box in texts["frames"][0]["boxes"]] == ["DOE JANE", "0042"]
    assert (await api.get(f"{path}/before.png")).content == b"\x89PNG before"
    assert stream.getvalue().count("hidden pixels shown") == 2
    assert "DOE" not in stream.getvalue()


async def test_another_key(api: Api) -> None:
    sealed = api.context.store / f"{api.context.store.findings('t1', SERIES, 1, '2.25.1')}.sealed"
    sealed.write_bytes(Vault(b"another master key for tests").encrypt("{}"))
    assert kind(await api.get("/transfers/t1/pixels/2.25.1/texts")) == "wrong-key"
