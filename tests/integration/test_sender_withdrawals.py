"""Taking back what was sent, at real destinations: exactly that, counted, and nothing of it comes afterwards."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from services.sender import handlers as sender
from services.sender.hold import held
from services.sender.settled import forget_answers, why_needed
from shared.database import Database
from shared.destinations import parse_destination
from shared.events import DeliveryRequested, WithdrawalAnswered, WithdrawalRequested
from shared.handlers import Retry
from shared.store import Store
from shared.tables import Assignment, BegunDelivery, Delivery, Destination, Transfer
from tests.components.dcmtk import StoreSCP
from tests.components.fixtures import disposable
from tests.components.orthanc import Orthanc
from tests.components.process import free_port
from tests.integration.test_sender_dicomweb import server
from tests.integration.test_sender_handlers import Bench, anonymized
from tests.unit.sender.builders import Part


@pytest.fixture
def bench(sqlite: Database, store: Store) -> Bench:
    return Bench(sqlite, store, batch_seconds=0.05, probe_seconds=0.2)


@pytest.fixture
def bench_on_both(database: Database, store: Store) -> Bench:
    return Bench(database, store, batch_seconds=0.05, probe_seconds=0.2)


async def transfer(bench: Bench, identity: str, state: str = "sending") -> None:
    """What the router knows of it."""
    async with bench.database.session() as session:
        of = {"study_instance_uid": f"1.2.{identity[1:]}", "project": "demo1", "participant": "P", "event": "e"}
        session.add(Assignment(id=identity, reason="person", **of))
        await session.flush()
        session.add(Transfer(id=identity, assignment=identity, reason="person", state=state, **of))


async def stop(bench: Bench, identity: str = "t1") -> None:
    async with bench.database.session() as session:
        await session.execute(update(Transfer).where(Transfer.id == identity).values(state="cancelled"))


async def withdraw(bench: Bench, destination: str = "pacs", identity: str = "t1") -> WithdrawalAnswered:
    request = WithdrawalRequested(withdrawal="c1", transfer=identity, destination=destination)
    [answer] = await sender.withdraw(request, bench.database, bench.store, bench.destinations)
    return answer


def said(answer: WithdrawalAnswered) -> tuple[str, int, int, str]:
    return answer.outcome, answer.instances, answer.withdrawn, answer.reason


def by_rest(orthanc: Orthanc) -> dict[str, Any]:
    return {"by": "orthanc-rest", "url": orthanc.http_url}


async def test_orthanc_loses_exactly_what_the_transfer_has_brought(bench_on_both: Bench, orthanc: Orthanc) -> None:
    bench = bench_on_both
    config = {"host": "127.0.0.1", "port": orthanc.dicom_port, "called_aet": orthanc.aet, "withdraw": by_rest(orthanc)}
    await bench.destination("pacs", "dicom", **config)
    mine, other = Part(bench.store).ct(4), Part(bench.store, transfer="t2", source_series="1.2.9")
    other.study = mine.study
    other.ct(3)
    for part in (mine, other):
        await transfer(bench, part.transfer)
        await bench.all(anonymized(part, "pacs"))
    assert orthanc.count() == 7
    await stop(bench)
    answer = await withdraw(bench)
    assert said(answer) == ("withdrawn", 4, 4, "")
    assert answer.target_study_instance_uid == mine.study
    assert orthanc.instances() == sorted(other.uids), "of the same study, and of somebody else"
    assert said(await withdraw(bench)) == ("withdrawn", 4, 4, ""), "twice is once"
    assert orthanc.instances() == sorted(other.uids)


async def test_what_never_found_a_way_to_its_destination_is_no_work_for_a_person(bench: Bench, tmp_path: Path) -> None:
    part = Part(bench.store).ct(2)
    await transfer(bench, "t1")
    with disposable(StoreSCP(tmp_path / "scp", options=["--abort-after"])) as pacs:
        await bench.destination("pacs", "dicom", host="127.0.0.1", port=pacs.port, called_aet=pacs.aet)
        await bench.destination("away", "dicom", host="127.0.0.1", port=free_port(), called_aet="AWAY")
        for name in ("away", "pacs"):
            with pytest.raises(Retry):
                await bench.all(anonymized(part, name))
    await stop(bench)
    assert said(await withdraw(bench, "away")) == ("withdrawn", 0, 0, "")
    answer = await withdraw(bench)
    assert (answer.outcome, answer.instances) == ("by_hand", 2), "the way was open: what is there is not known"


async def test_what_another_transfer_has_brought_too_stays(bench: Bench) -> None:
    await bench.destination("pacs", "folder", folder="there")
    part = Part(bench.store).ct(2)
    again = Part(bench.store, transfer="t2")
    again.study, again.series, again.instances = part.study, part.series, part.instances
    for each in (part, again):
        await transfer(bench, each.transfer)
        await bench.all(anonymized(each, "pacs"))
    await stop(bench, "t2")
    assert said(await withdraw(bench, identity="t2")) == (
        "withdrawn", 0, 0, "2 stay: another transfer has brought them, too",
    )  # fmt: skip
    assert len(list((bench.store / "there").rglob("*.dcm"))) == 2
    await stop(bench)
    assert said(await withdraw(bench)) == ("withdrawn", 2, 2, "")
    assert list((bench.store / "there").iterdir()) == []


async def test_what_was_taken_whole_leaves_by_its_manifest(bench_on_both: Bench) -> None:
    """No answer to each instance is left: neither of what is to leave nor of what another transfer has brought, too."""
    bench = bench_on_both
    await bench.destination("pacs", "folder", folder="there")
    part, again = Part(bench.store).ct(3), Part(bench.store, transfer="t2")
    again.study, again.series, again.instances = part.study, part.series, part.instances[:2]
    for each in (part, again):
        await transfer(bench, each.transfer, state="completed")
        await bench.all(anonymized(each, "pacs"))
    async with bench.database.session() as session:
        await session.execute(update(Transfer).values(study_instance_uid="1.2.3"))
        for identity, taken in (("t1", 3), ("t2", 2)):
            assert await why_needed(session, bench.store, identity) is None
            assert await forget_answers(session, identity) == taken
            assert await forget_answers(session, identity) == 0
    await stop(bench)
    assert said(await withdraw(bench)) == ("withdrawn", 1, 1, "2 stay: another transfer has brought them, too")
    assert len(list((bench.store / "there").rglob("*.dcm"))) == 2
    await stop(bench, "t2")
    (bench.store / bench.store.anonymized("t2", again.source_series, 1) / "manifest.json").unlink()
    answer = await withdraw(bench, identity="t2")
    assert (answer.outcome, answer.instances) == ("by_hand", 2), "nobody can name them any more: a person has to look"


async def test_answers_are_needed_where_nothing_else_says_what_was_taken(bench: Bench) -> None:
    await bench.destination("pacs", "folder", folder="there")
    part = Part(bench.store).ct(2)
    await transfer(bench, "t1", state="completed")
    await bench.all(anonymized(part, "pacs"))

    async def why() -> str | None:
        async with bench.database.reading() as session:
            return await why_needed(session, bench.store, "t1")

    assert await why() is None
    async with bench.database.session() as session:
        await session.execute(update(Delivery).values(refused=1))
    assert await why() == "instances were refused"
    async with bench.database.session() as session:
        await session.execute(update(Delivery).values(refused=0, delivered=1))
    assert await why() == "no manifest names what was taken"
    async with bench.database.session() as session:
        await session.execute(delete(BegunDelivery))
    assert await why() == "it was sent before beginnings were noted"


async def test_a_file_of_somebody_else_stays(bench: Bench) -> None:
    await bench.destination("pacs", "folder", folder="there")
    part = Part(bench.store).ct(2)
    foreign = bench.store / "there" / part.study / part.series / f"{part.instances[0].sop_instance_uid}.dcm"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"not ours")
    await transfer(bench, "t1")
    await bench.all(anonymized(part, "pacs"))
    await stop(bench)
    assert said(await withdraw(bench)) == ("withdrawn", 1, 1, "")
    assert foreign.read_bytes() == b"not ours"


async def test_a_destination_without_a_way_is_left_to_people(bench: Bench, orthanc: Orthanc) -> None:
    await bench.orthanc(orthanc)
    await transfer(bench, "t1")
    await bench.all(anonymized(Part(bench.store).ct(2), "pacs"))
    await stop(bench)
    assert said(await withdraw(bench)) == ("by_hand", 2, 0, "the destination has no way to delete")
    assert orthanc.count() == 2
    async with bench.database.session() as session:
        await session.delete(await session.get_one(Destination, "pacs"))
    assert said(await withdraw(bench)) == ("by_hand", 2, 0, "no destination pacs")


async def test_nothing_sent_nothing_to_withdraw(bench: Bench) -> None:
    await bench.destination("pacs", "folder", folder="there")
    await transfer(bench, "t1", "cancelled")
    answer = await withdraw(bench)
    assert (said(answer), answer.target_study_instance_uid) == (("withdrawn", 0, 0, ""), None)


async def test_what_is_stopped_while_it_is_sent_ends_there_and_leaves_again(bench: Bench) -> None:
    """The sender asks between two batches; a withdrawal waits until nobody sends any more."""
    await bench.destination("pacs", "folder", folder="there")
    part = Part(bench.store).ct(40, size=256)
    await transfer(bench, "t1")
    async with bench.database.reading() as session:
        [request] = await sender.fan_out(anonymized(part, "pacs"), session)
    bench.settings = bench.settings.model_copy(update={"batch_seconds": 0.000001})
    bench.restart()
    sending = asyncio.create_task(
        sender.deliver(request, bench.database, bench.store, bench.destinations, bench.settings)
    )
    while not await bench.answered():
        await asyncio.sleep(0)
    await stop(bench)
    assert await sending == []
    there = list((bench.store / "there").rglob("*.dcm"))
    assert 0 < len(there) < 40
    answer = await withdraw(bench)
    assert (answer.outcome, answer.withdrawn) == ("withdrawn", answer.instances)
    assert not list((bench.store / "there").rglob("*.dcm"))
    assert await sender.deliver(request, bench.database, bench.store, bench.destinations, bench.settings) == []
    assert not list((bench.store / "there").rglob("*.dcm")), "a late delivery brings nothing"


async def test_sending_and_withdrawing_exclude_each_other(store: Store) -> None:
    (store / "anonymized/t1").mkdir(parents=True)
    first, second, alone = (held(store, "t1", alone=each) for each in (False, False, True))
    with first, second, pytest.raises(Retry, match="sent"), alone:
        raise AssertionError
    alone, late = (held(store, "t1", alone=each) for each in (True, False))
    with alone, pytest.raises(Retry, match="withdrawn"), late:
        raise AssertionError
    with held(store, "t2", alone=True):
        assert not (store / "anonymized/t2").exists()


async def delivered(bench: Bench, url: str, **config: Any) -> Part:
    await bench.destination("pacs", "dicomweb", url=url, **config)
    part = Part(bench.store).ct(3)
    await transfer(bench, "t1")
    [request] = await _requests(bench, part)
    await bench.deliver(request)
    await stop(bench)
    return part


async def _requests(bench: Bench, part: Part) -> list[DeliveryRequested]:
    async with bench.database.reading() as session:
        return await sender.fan_out(anonymized(part, "pacs"), session)


async def test_dicomweb_servers_that_delete(bench: Bench) -> None:
    deleted: set[str] = set()

    def script(method: str, path: str, instances: int) -> tuple[int, object]:
        if method == "DELETE":
            deleted.add(path.rpartition("/")[2])
            return (404 if len(deleted) == 1 else 204), None
        return 200, None

    with server(script) as url:
        part = await delivered(bench, url, withdraw="dicomweb-delete")
        assert said(await withdraw(bench)) == ("withdrawn", 3, 3, "")
    assert deleted == part.uids


async def test_dicomweb_servers_that_do_not(bench: Bench) -> None:
    with server(lambda method, *_: (405 if method == "DELETE" else 200, None)) as url:
        await delivered(bench, url, withdraw="dicomweb-delete")
        assert said(await withdraw(bench)) == ("by_hand", 3, 0, "the destination has no way to delete")


async def test_what_is_still_there_after_it_was_deleted_is_said(bench: Bench) -> None:
    uids: list[str] = []

    def script(method: str, path: str, instances: int) -> tuple[int, object]:
        offered = "offset=0" in path
        return 200, [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in uids] if method == "GET" and offered else []

    with server(script) as url:
        part = await delivered(bench, url, withdraw="dicomweb-delete")
        uids += sorted(part.uids)[:1]
        assert said(await withdraw(bench)) == ("by_hand", 3, 2, "1 are still there")


async def test_a_server_that_is_down_is_asked_again(bench: Bench) -> None:
    with server(lambda method, *_: (503 if method == "DELETE" else 200, None)) as url:
        await delivered(bench, url, withdraw="dicomweb-delete")
        with pytest.raises(Retry, match="HTTP 503"):
            await withdraw(bench)


def test_credentials_stand_in_files(tmp_path: Path) -> None:
    way = {"by": "orthanc-rest", "url": "http://pacs:8042", "username": "f", "password_file": str(tmp_path / "p")}
    for kind, config in (
        ("dicom", {"host": "h", "port": 104, "called_aet": "A"}),
        ("dicomweb", {"url": "http://pacs:8042/dicom-web"}),
    ):
        assert parse_destination(kind, config | {"withdraw": way})
        with pytest.raises(ValueError, match="belong together"):
            parse_destination(kind, config | {"withdraw": way | {"password_file": None}})
