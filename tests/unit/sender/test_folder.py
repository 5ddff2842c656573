"""A folder takes whole files, once, and never changes one that is there."""

from pathlib import Path

import pytest

from services.sender.clients import Answer, Unavailable
from services.sender.clients.folder import FolderClient
from shared.scu.statuses import OTHER_BYTES, SUCCESS
from shared.store import Store
from tests.unit.sender.builders import Part


async def send(client: FolderClient, part: Part) -> list[Answer]:
    return [answer async for batch in client.send(part.outgoing()) for answer in batch]


async def test_copies_and_counts(store: Store, tmp_path: Path) -> None:
    part = Part(store).ct(5)
    client = FolderClient(tmp_path / "out")
    for _ in range(2):
        assert [answer.status for answer in await send(client, part)] == [SUCCESS] * 5
    folder = tmp_path / "out" / part.study / part.series
    assert {path.name for path in folder.iterdir()} == {f"{uid}.dcm" for uid in part.uids}
    for each in part.outgoing():
        assert (folder / f"{each.sop_instance_uid}.dcm").read_bytes() == each.file.read_bytes()
    found = await client.count(part.study, part.series)
    assert found is not None
    assert found.instances == part.uids


async def test_other_bytes_under_the_name_are_left_alone(store: Store, tmp_path: Path) -> None:
    part = Part(store).ct(2)
    first = part.outgoing()[0]
    target = tmp_path / "out" / part.study / part.series / f"{first.sop_instance_uid}.dcm"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"somebody else's")
    answers = await send(FolderClient(tmp_path / "out"), part)
    assert [answer.status for answer in answers] == [OTHER_BYTES, SUCCESS]
    assert target.read_bytes() == b"somebody else's"


async def test_answers_come_in_batches(store: Store, tmp_path: Path) -> None:
    part = Part(store).ct(3)
    client = FolderClient(tmp_path / "out", batch_seconds=0)
    assert [len(batch) async for batch in client.send(part.outgoing())] == [0, 1, 1, 1]


async def test_a_folder_that_cannot_be_is_unavailable(store: Store, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(Unavailable):
        await send(FolderClient(tmp_path / "out"), Part(store).ct(1))


async def test_a_missing_source_is_not_the_destinations_fault(store: Store, tmp_path: Path) -> None:
    part = Part(store).ct(1)
    part.outgoing()[0].file.unlink()
    with pytest.raises(FileNotFoundError):
        await send(FolderClient(tmp_path / "out"), part)


async def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    found = await FolderClient(tmp_path / "out").count("1.2", "1.3")
    assert found is not None
    assert found.confirms(frozenset({"1"})) == 0
