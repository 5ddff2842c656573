"""What left by a policy is remembered in the store, whatever happens to the database."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.retention import removals
from shared.store import Store

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_last_time_counts_and_old_days_go(store: Store) -> None:
    assert removals.last(store, "archive", ["1.2"]) == {}
    removals.keep(store, "archive", "1.2", AT - timedelta(days=401))
    removals.keep(store, "archive", "1.2", AT)
    removals.keep(store, "archive", "1.2", AT - timedelta(days=3))
    removals.keep(store, "review", "t", AT)
    assert removals.last(store, "archive", ["1.2", "1.3", "t"]) == {"1.2": AT}
    assert removals.since(store, AT) == {("archive", "1.2"): AT, ("review", "t"): AT}
    assert removals.since(store, AT + timedelta(hours=1)) == {}
    days = sorted(path.name[:10] for path in (store / "retention").iterdir())
    assert days == ["2026-02-26", "2026-03-01"]


def test_half_a_line_is_none(store: Store) -> None:
    removals.keep(store, "archive", "1.2", AT)
    [day] = (store / "retention").iterdir()
    with day.open("a") as file:
        file.write('{"at": "2026-')
    store.write("retention/2026-03-02.other.jsonl", b'[]\n{"at": "x", "tree": "archive", "subject": "1.3"}\n\xff\n')
    assert removals.last(store, "archive", ["1.2", "1.3"]) == {"1.2": AT}


def test_what_cannot_be_remembered_stands_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "retention").write_text("a file, where a folder should be")
    removals.keep(Store(tmp_path), "archive", "1.2", AT)
