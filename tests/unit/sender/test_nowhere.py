"""A destination of kind `null` reads everything, takes it, and has nothing to show or to delete."""

from pathlib import Path

import pytest

from services.sender.clients import Outgoing, Withdrawn
from services.sender.clients.nowhere import NullClient


async def test_it_takes_what_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "1.dcm"
    file.write_bytes(b"x" * 10)
    instance = Outgoing(file, "1.2", "1.3", "1.4", "1.5", "1.6", 10)
    client = NullClient()
    answers = [each async for batch in client.send([instance]) for each in batch]
    assert [(each.sop_instance_uid, each.status) for each in answers] == [("1.4", 0)]
    assert await client.count("1.2", "1.3") is None
    assert await client.withdraw([]) == Withdrawn(0)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        [each async for each in client.send([instance])]
