"""Lists of a gateway that has 100,000 studies and 200,000 coupling entries, beside the same lists on one page of rows.

    python -m benchmarks registry [--quick]
    python -m benchmarks.registry [--quick] [--studies N] [--coupling N] [--database sqlite|postgresql]

Through the whole application in this process, audit and its fsync included, one request after the other.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from sqlalchemy import select, text

from benchmarks.measure import Row, Stopwatch, median, percentile, row, scratch
from benchmarks.registry_rows import LARGE, ONE_PAGE, PROJECT, Size, accession, coupling_list, fill, patient_id, uid
from benchmarks.report import show
from shared.database import Database
from shared.tables import CouplingEntry
from tests.components.postgres import PostgreSQL
from tests.unit.api.support import Api, running

KINDS: Final = ("sqlite", "postgresql")
WARM: Final = 3
SMALLER: Final = Size("10,000 studies", 10_000, 20_000)
"""In a hurry."""
PATTERN: Final = r"ABCD-\d{5}"


@dataclass(frozen=True)
class Asked:
    """A list, and what of it; with a body it is a search."""

    path: str
    query: dict[str, Any] | None = None
    body: dict[str, Any] | None = None
    deep: int | None = None
    """The rows there are: their last page is asked for."""
    middle: bool = False
    """Of so many rows, the page in the middle: the furthest from both ends."""

    @property
    def name(self) -> str:
        """As a person would say it."""
        said = {**(self.query or {}), **{key: key for key in self.body or {}}}
        words = [f"{key}={value}" if key != value else key for key, value in said.items()]
        return " ".join([self.path, *words, *([f"{'middle' if self.middle else 'last'} page"] if self.deep else [])])


def lists(size: Size, upload: str) -> Sequence[Asked]:
    """Every list there is, its first page, its last, and by each filter that people use."""
    project, coupling = f"/projects/{PROJECT}", f"/projects/{PROJECT}/coupling"
    some = size.assigned // 2
    return (
        Asked("/studies"),
        Asked("/studies", deep=size.studies, middle=True),
        Asked("/studies", deep=size.studies),
        Asked("/studies", {"state": "waiting"}),
        Asked("/studies", {"state": "assigned"}),
        Asked("/studies", {"state": "assigned"}, deep=size.assigned, middle=True),
        Asked("/studies", {"state": "assigned"}, deep=size.assigned),
        Asked("/studies/search", body={"patient_id": patient_id(some)}),
        Asked("/studies/search", body={"accession_number": accession(some)}),
        Asked("/studies/search", body={"days": 365}),
        Asked("/studies/search", body={"project": PROJECT}),
        Asked(f"/studies/{uid(some)}/series"),
        Asked(f"/studies/{uid(some)}/files"),
        Asked("/projects"),
        Asked(project),
        Asked(f"{project}/participants"),
        Asked(f"{project}/participants", deep=min(20_000, size.assigned)),
        Asked(f"{project}/attributes"),
        Asked(coupling),
        Asked(coupling, deep=size.coupling),
        Asked(coupling, {"event": "year1"}),
        Asked(coupling, {"participant": "ABCD-00017"}),
        Asked(coupling, {"matched": "true"}),
        Asked(coupling, {"matched": "false"}),
        Asked(coupling, {"upload": upload}),
        Asked(f"{coupling}/counts"),
        Asked(f"{coupling}/uploads"),
        Asked(f"{coupling}/identities"),
        Asked(f"{coupling}/identities", deep=size.coupling),
        Asked("/transfers"),
        Asked("/transfers", deep=size.assigned),
        Asked("/transfers", {"state": "failed"}),
        Asked("/transfers", {"project": PROJECT}),
        Asked("/transfers", {"study": uid(some)}),
        Asked("/quarantine"),
        Asked("/quarantine", {"project": PROJECT}),
        Asked("/quarantine/groups"),
        Asked("/reviews"),
        Asked("/rules"),
        Asked("/destinations"),
        Asked("/dead"),
        Asked("/counts"),
    )


def run(rounds: int = 40, kinds: Sequence[str] = KINDS, large: Size = LARGE) -> list[Row]:
    """Each kind of database in turns."""
    return [each for kind in kinds for each in asyncio.run(_on(kind, rounds, large))]


async def _on(kind: str, rounds: int, large: Size) -> list[Row]:
    with scratch("registry") as folder, ExitStack() as stack:
        server = None
        if kind == "postgresql":
            server = PostgreSQL(folder / "postgres")
            stack.callback(server.kill)
            server.start()
        rows: list[Row] = []
        times: dict[str, dict[str, list[float]]] = {}
        for size in (ONE_PAGE, large):
            place = folder / str(size.studies)
            url = server.fresh_database() if server else f"sqlite+aiosqlite:///{place / 'fiona.sqlite'}"
            async with _gateway(url, place) as api:
                uploaded = await _uploaded(api, kind, size)
                rows += uploaded if size is not ONE_PAGE else []
                times[size.name] = await _measured(api, size, rounds)
        for case, ours in times[large.name].items():
            base, slow = (percentile(each, 95) for each in (times[ONE_PAGE.name][_baseline(case, large)], ours))
            rows += [
                row("registry", f"{kind}: {case}", "p95", "ms", slow),
                row("registry", f"{kind}: {case}", "median", "ms", median(ours)),
                row("registry", f"{kind}: {case}", "least", "ms", min(ours)),
                row("registry", f"{kind}: {case}", "one page, p95", "ms", base, peer=True, ratio=base / slow),
            ]
        return rows


def _baseline(case: str, large: Size) -> str:
    """The same list of the small gateway, where other rows are in the middle."""
    for made in (uid, patient_id, accession):
        case = case.replace(made(large.assigned // 2), made(ONE_PAGE.assigned // 2))
    return case


@asynccontextmanager
async def _gateway(url: str, place: Path) -> AsyncIterator[Api]:
    database = Database(url)
    place.mkdir(parents=True, exist_ok=True)
    await database.migrate()
    try:
        async with running(database, place) as api:
            await api.project(PROJECT, participant_pattern=PATTERN)
            yield api
    finally:
        await database.close()


async def _uploaded(api: Api, kind: str, size: Size) -> list[Row]:
    """The coupling list by its own way in; then everything else, and the database's own statistics."""
    content = coupling_list(size)
    path = f"/api/v1/projects/{PROJECT}/coupling/csv"
    made = []
    for case in ("rehearsed", "taken", "taken again"):
        query = {"dry_run": "true"} if case == "rehearsed" else {}
        pauses: list[float] = []
        beside = asyncio.create_task(_beside(api.context.database, pauses))
        with Stopwatch() as watch:
            headers = {"Content-Type": "text/csv"}
            answer = await api.client.post(path, content=content, params=query, headers=headers, timeout=None)
        beside.cancel()
        await asyncio.wait([beside])
        assert answer.is_success, answer.text
        name = f"{kind}: coupling list of {size.coupling:,} rows {case}"
        made += [
            row("registry", name, "the request", "s", watch.seconds),
            row("registry", name, "longest that another writer waited", "s", max(pauses, default=0)),
            row("registry", name, "most memory of the process so far", "MB", _peak()),
        ]
    async with api.context.database.reading() as session:
        accessions = [api.context.vault.hash("accession", accession(number)) for number in range(size.assigned)]
        found = dict((await session.execute(select(CouplingEntry.key, CouplingEntry.id))).all())
    await fill(api.context.database, api.context.vault, size, [found[key] for key in accessions])
    async with api.context.database.engine.connect() as connection:
        # As autovacuum leaves tables that have been in use.
        analyze = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await analyze.execute(text("VACUUM ANALYZE" if kind == "postgresql" else "ANALYZE"))
    return made


async def _beside(database: Database, pauses: list[float]) -> None:
    """Another who writes a little all the time."""
    while True:
        began = time.perf_counter()
        try:
            async with database.session() as session:
                await session.execute(text("UPDATE projects SET description = description"))
        finally:
            pauses.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)


async def _measured(api: Api, size: Size, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each list, its rounds spread over the whole run."""
    uploads = (await api.get(f"/projects/{PROJECT}/coupling/uploads")).json()
    asked = lists(size, uploads["items"][0]["id"])
    found: dict[str, list[float]] = {each.name.replace(uploads["items"][0]["id"], "…"): [] for each in asked}
    for number in range(rounds + WARM):
        for name, each in zip(found, asked, strict=True):
            began = time.perf_counter()
            await _ask(api, each)
            if number >= WARM:
                found[name].append((time.perf_counter() - began) * 1000)
    return found


async def _ask(api: Api, each: Asked) -> None:
    before = max(0, each.deep - 100) if each.deep else 0
    offset = {"offset": before // 2 if each.middle else before} if each.deep else {}
    params = {**(each.query or {}), **offset}
    method = "POST" if each.body is not None else "GET"
    answer = await api.client.request(method, f"/api/v1{each.path}", params=params, json=each.body)
    assert answer.is_success, (each.name, answer.text)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """This benchmark alone, as large as one likes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=LARGE.studies)
    parser.add_argument("--coupling", type=int, default=LARGE.coupling)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--database", choices=KINDS, action="append")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    size = Size(f"{asked.studies:,} studies", asked.studies, asked.coupling)
    rows = run(asked.rounds, asked.database or KINDS, size)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n")
    show(rows, Console(width=150 if not sys.stdout.isatty() else None))


if __name__ == "__main__":
    main()
