"""Policies are checked when they are read; disks are measured as they are; links and files are told apart."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.janitor.disks import Disk, allocated, measure
from services.janitor.doctor import OnDisk, Row, compare
from services.janitor.policies import Policies, load
from services.janitor.reserve import tend
from services.janitor.temporary import leftovers
from services.janitor.temporary import remove as remove_temporary
from shared.recovery.files import walk
from shared.retention import links
from shared.retention.rows import AGED, ELSEWHERE
from shared.store import Store
from shared.tables import Base
from shared.volume import volume_of
from tests.components.disks import fill, small_disk

NEVER = 1e12
"""A moment in the far future: everything is older."""


def test_what_is_shipped_is_cautious(tmp_path: Path) -> None:
    policies = load(None)
    assert policies.archive.limits.counted
    assert policies.archive.after_days is policies.anonymized.after_days is policies.identities.days is None
    file = tmp_path / "policies.yaml"
    file.write_text("archive: {high: 90, low: 60}\nrows: {inbox: 14, mails: null}\n")
    policies = load(file)
    assert (policies.archive.high, policies.archive.min_days) == (90, 30)
    assert (policies.rows["inbox"], policies.rows["mails"], policies.rows["sessions"]) == (14, None, 7)
    assert load(file, published_days=13) == policies
    with pytest.raises(ValueError, match="FIONA_PUBLISHED_DAYS"):
        load(file, published_days=14)
    file.write_text("")
    assert load(file) == Policies()


@pytest.mark.parametrize(
    "wrong",
    [
        "archive: {high: 60, low: 70}",
        "archive: {min_days: 30, after_days: 10}",
        "archive: {min_days: -1}",
        "archive: {hihg: 80}",
        "rows: {audit_entries: 10}",
        "rows: {inbox: 1}",
        "links: [",
        "audit: {days: 3}",
    ],
)
def test_a_wrong_policy_stops_the_start(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(wrong)
    with pytest.raises(ValueError):
        load(file)


def test_every_table_of_a_policy_exists() -> None:
    names = {table.name for table in Base.metadata.tables.values()}
    assert set(AGED) <= names
    assert {aged.table.__tablename__ for aged in AGED.values()} == set(AGED)
    assert set(ELSEWHERE) - names <= {"journal", "logs"}


def test_a_volume_is_measured_as_df_does(tmp_path: Path) -> None:
    with small_disk(tmp_path / "volume", 4) as folder:
        before = measure(folder / "archive", None)
        (folder / "file").write_bytes(os.urandom(3 << 20))
        after = measure(folder / "archive", None)
        assert after.capacity == 4 << 20
        assert after.used - before.used == 3 << 20
        assert 75 <= after.percent < 80
        assert after.excess(70, 50) == pytest.approx(1 << 20, rel=0.01)
        assert after.excess(80, 50) == 0


def test_the_reserve_is_given_up_for_the_last_bytes_and_made_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "volume", 200) as folder:
        store, reserve, rest = Store(folder), folder / ".reserve", folder / "of somebody else"
        assert volume_of(folder).last == 2 << 20
        tend(store)
        tend(store)
        assert reserve.stat().st_size == 1 << 20
        fill(rest)
        tend(store)
        assert not reserve.exists()
        assert volume_of(folder).free == 1 << 20
        os.truncate(rest, rest.stat().st_size - (1 << 20))
        tend(store)
        assert not reserve.exists(), "made too soon it would take what was just given back"
        os.truncate(rest, 0)
        tend(store)
        assert reserve.stat().st_size == 1 << 20
        assert list(walk(folder)) == [rest], "no backup has it"


def test_against_a_quota_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/1").write_bytes(b"x" * 8192)
    os.link(tmp_path / "archive/1", tmp_path / "archive/2")
    (tmp_path / "archive/link").symlink_to("1")
    assert 8192 <= allocated(tmp_path / "archive") < 3 * 8192
    disk = measure(tmp_path / "archive", 1e-5)
    assert disk.used == disk.ours == allocated(tmp_path / "archive")
    assert measure(tmp_path / "nothing", 1e-5).used == 0


def test_files_run_out_too() -> None:
    disk = Disk(capacity=1000, used=100, inodes=90)
    assert disk.percent == 90
    assert disk.excess(80, 45) == 50


def test_links_that_lead_nowhere_go_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("archive/scp_1/1.dcm", b"x")
    store.link("raw/1/1.1/1", "archive/scp_1/1.dcm")
    store.link("raw/1/1.1/2", "archive/scp_1/2.dcm")
    store.write("raw/1/1.1.json", b"{}")
    store.link("raw/1/1.2/3", "archive/scp_1/3.dcm")
    store.write("raw/1/1.2.json", b"{}")
    store.write("raw/1/.lock", b"")
    store.write("raw/1/notes.txt", b"a person's")
    kept = links.clear(tmp_path / "raw/1", NEVER, remove=False)
    assert kept == {"links": 2, "folders": 1, "descriptions": 1}
    assert links.clear(tmp_path / "raw/1", 0.0, remove=True) == {}, "all of it is young"
    assert links.clear(tmp_path / "raw/1", NEVER, remove=True) == kept
    left = sorted(str(path.relative_to(tmp_path / "raw")) for path in (tmp_path / "raw").rglob("*"))
    assert left == ["1", "1/.lock", "1/1.1", "1/1.1.json", "1/1.1/1", "1/notes.txt"]
    for path in ("raw/1/notes.txt", "archive/scp_1/1.dcm"):
        (tmp_path / path).unlink()
    links.clear(tmp_path / "raw/1", NEVER, remove=True)
    assert not (tmp_path / "raw/1").exists()
    parts = [part for part in links.PARTS if part.startswith("raw") and list(links.folders(store, part))]
    assert parts == []
    assert len(links.PARTS) == 48


def test_temporary_files_go_when_nobody_writes_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in ("anonymized/t/s.1/.x.1.1.part", "anonymized/t/s.1/y.part", "journal/api-1/.z.part"):
        store.write(name, b"xyz")
    assert list(leftovers(store, "anonymized", datetime(2020, 1, 1, tzinfo=UTC))) == []
    assert remove_temporary(store, "anonymized", datetime(2100, 1, 1, tzinfo=UTC)) == {"files": 1, "bytes": 3}
    assert remove_temporary(store, "journal", datetime(2100, 1, 1, tzinfo=UTC)) == {"files": 0, "bytes": 0}
    assert (tmp_path / "anonymized/t/s.1/y.part").exists()


def test_rows_and_files_are_held_against_one_another() -> None:
    rows = {"a": Row(3), "b": Row(3), "c": Row(3), "d": Row(3, removed=True), "e": Row(None), "g": Row(3, removed=True)}
    files = {
        **dict.fromkeys(("a", "d", "e", "x"), OnDisk(3, 0.0, False)),
        "b": OnDisk(4, 0.0, False),
        "young": OnDisk(3, 9.0, False),
        "owed": OnDisk(3, 0.0, True),
    }
    found = compare(rows, files, young=5.0)
    assert (found.strangers, found.missing, found.other_size, found.revenants) == (["x"], ["c"], ["b"], ["d"])
    assert found.passed_over == 2
    assert compare(rows, {"a": OnDisk(3, 9.0, False)}, young=5.0).passed_over == 0, "it fits, however young"
