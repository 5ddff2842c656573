"""Sending beside peers, interleaved in one run: one association to DCMTK's storescp that throws everything away.

Usage: python -m benchmarks.sending [--json FILE] [--rounds N] [--count N]
Ours is the client of the DICOM destination, and the whole handler with its records in SQLite. DCMTK's tools pay
for their own start (about 20 ms), ours runs inside a service. The Nagle cases: a sink as DCMTK comes, which holds
back half of each answer until it is acknowledged, and senders as they come.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread

from benchmarks.corpus import cached, ct_series, mr_series
from benchmarks.measure import Row, Stopwatch, median, row, scratch
from benchmarks.report import show
from services.sender.clients import Outgoing
from services.sender.clients.dicom import DicomClient
from services.sender.destinations import Destinations
from services.sender.handlers import deliver
from services.sender.settings import SenderSettings
from shared.database import Database
from shared.destinations import DicomDestination
from shared.events import DeliveryRequested
from shared.manifest import Manifest, ManifestInstance, write_manifest
from shared.store import Store
from shared.tables import Destination
from tests.components.dcmtk import StoreSCP, dcmsend, storescu

NAME = "sending"
Sender = Callable[["Load", Path], float]
"""Sends a load, with a folder for what it needs; seconds."""


@dataclass(frozen=True)
class Load:
    """A series, and where it goes."""

    name: str
    files: Sequence[Path]
    port: int
    nodelay: bool


def outgoing(files: Sequence[Path]) -> list[Outgoing]:
    """What the manifest says of the files."""
    result = []
    for path in files:
        data = dcmread(path, specific_tags=["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
        result.append(
            Outgoing(
                path,
                data.StudyInstanceUID,
                data.SeriesInstanceUID,
                data.SOPInstanceUID,
                data.SOPClassUID,
                data.file_meta.TransferSyntaxUID,
                path.stat().st_size,
            )
        )
    return result


def with_client(load: Load, _: Path) -> float:
    """The DICOM destination's client alone."""
    instances = outgoing(load.files)
    client = DicomClient(DicomDestination(host="127.0.0.1", port=load.port, called_aet="STORESCP"))

    async def send() -> int:
        return sum([len([a for a in batch if a.status == 0]) async for batch in client.send(instances)])

    with Stopwatch() as watch:
        assert asyncio.run(send()) == len(instances)
    return watch.seconds


def with_handler(load: Load, folder: Path) -> float:
    """The handler of DeliveryRequested, every answer written to SQLite."""
    return asyncio.run(_deliver(load, folder))


async def _deliver(load: Load, folder: Path) -> float:
    store = Store(folder / f"store-{time.monotonic_ns()}")
    database = Database(f"sqlite+aiosqlite:///{store.root / 'fiona.sqlite'}")
    await database.migrate()
    instances = outgoing(load.files)
    listed = []
    for each in instances:
        relative = f"anonymized/{each.sop_instance_uid}.dcm"
        (store / relative).parent.mkdir(exist_ok=True)
        (store / relative).symlink_to(each.file.absolute())
        listed.append(
            ManifestInstance(
                path=relative,
                sop_instance_uid=each.sop_instance_uid,
                sop_class_uid=each.sop_class_uid,
                transfer_syntax_uid=each.transfer_syntax_uid,
                size=each.size,
            )
        )
    first = instances[0]
    manifest = Manifest(
        study_instance_uid=first.study_instance_uid,
        series_instance_uid=first.series_instance_uid,
        instances=tuple(listed),
    )
    write_manifest(store, "anonymized/manifest.json", manifest)
    async with database.session() as session:
        config = {"host": "127.0.0.1", "port": load.port, "called_aet": "STORESCP"}
        session.add(Destination(name="sink", kind="dicom", config=config))
    event = DeliveryRequested(
        transfer="bench",
        parts=1,
        destinations=("sink",),
        destination="sink",
        series_instance_uid="1.2.3",
        revision=1,
        target_study_instance_uid=first.study_instance_uid,
        manifest="anonymized/manifest.json",
        instances=len(listed),
        quarantined=0,
    )
    settings = SenderSettings()
    with Stopwatch() as watch:
        said = await deliver(event, database, store, Destinations(database, store, settings), settings)
    assert said
    await database.close()
    return watch.seconds


def with_dcmsend(load: Load, _: Path) -> float:
    """DCMTK's fast sender; its default is one association for all."""
    with Stopwatch() as watch:
        done = dcmsend(load.port, load.files[0].parent, called="STORESCP", options=("+sd",), nodelay=load.nodelay)
    done.check_returncode()
    return watch.seconds


def with_storescu(load: Load, _: Path) -> float:
    """DCMTK's plain sender."""
    with Stopwatch() as watch:
        done = storescu(load.port, *load.files, called="STORESCP", nodelay=load.nodelay)
    done.check_returncode()
    return watch.seconds


OURS: dict[str, Sender] = {"FIONA, client": with_client, "FIONA, handler and records": with_handler}
PEERS: dict[str, Sender] = {"dcmsend": with_dcmsend, "storescu": with_storescu}


def run(rounds: int = 3, count: int = 300) -> list[Row]:
    """Every load by every sender, `rounds` times in turn; medians."""
    senders = OURS | PEERS
    rows: list[Row] = []
    with scratch(NAME) as folder:
        sinks = [
            StoreSCP(folder / f"{nodelay}", options=("--ignore", "+xa"), nodelay=nodelay) for nodelay in (True, False)
        ]
        try:
            quick, nagle = (sink.start().port for sink in sinks)
            ct, mr = cached(ct_series, count), cached(mr_series, count)
            loads = [
                Load(f"CT 0.53 MB × {count}", ct, quick, True),
                Load(f"MR 0.14 MB × {count}", mr, quick, True),
                Load(f"MR × {count}, Nagle at both ends", mr, nagle, False),
            ]
            for load in loads:
                seconds: dict[str, list[float]] = {name: [] for name in senders}
                for _ in range(rounds):
                    for name, send in senders.items():
                        seconds[name].append(send(load, folder))
                rows += _rows(load, {name: count / median(values) for name, values in seconds.items()})
        finally:
            for sink in sinks:
                sink.kill()
    return rows


def _rows(load: Load, rates: dict[str, float]) -> list[Row]:
    """Ours first; the ratios are those of the whole handler."""
    ours = rates["FIONA, handler and records"]
    return [
        row(
            NAME,
            load.name,
            name,
            "instances/s",
            rate,
            peer=name in PEERS,
            ratio=ours / rate if name in PEERS else None,
        )
        for name, rate in rates.items()
    ]


def main() -> None:
    """Print the table; with --json write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=300)
    asked = parser.parse_args()
    rows = run(asked.rounds, asked.count)
    show(rows)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
