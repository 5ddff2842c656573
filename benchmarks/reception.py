"""Reception beside peers, interleaved in one run: storescu sends, each server writes files on the same disk.

Usage: python -m benchmarks.reception [--json FILE] [--rounds N] [--scale X]
Ours runs as in production, fsync before each answer included; the peers leave that to the kernel. Servers run
with TCP_NODELAY but in the Nagle rows, where sender and peers have what they come with.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import cached, ct_series, mr_series, multiframe
from tests.components.dcmtk import StoreSCP, storescu
from tests.components.orthanc import Orthanc
from tests.components.process import wait_until
from tests.components.receiver import ReceiverProcess


@dataclass(frozen=True)
class Load:
    """What is sent: a row of the table."""

    name: str
    files: Sequence[Path]
    associations: int = 1
    nagle: bool = False


class Peer(ABC):
    """A server that runs for the whole benchmark and is emptied between loads."""

    name: str

    @abstractmethod
    def port(self, load: Load) -> int:
        """Where a load goes."""

    @abstractmethod
    def held(self) -> int:
        """Instances that it has on disk."""

    @abstractmethod
    def clear(self) -> None:
        """Forget them all."""

    @abstractmethod
    def stop(self) -> None:
        """Leave nothing running."""


def put_away(folder: Path) -> None:
    """Rename instead of delete: with `discard` the file system is slow for a while after a deletion."""
    os.rename(folder, tempfile.mkdtemp(prefix="used-", dir=folder.parent.parent))


class Fiona(Peer):
    """The receiver in a process of its own."""

    def __init__(self, folder: Path, data_path: bool = True) -> None:
        self.name = "FIONA" if data_path else "FIONA, data path off"
        self._server = ReceiverProcess(folder, FIONA_RECEIVER_DATA_PATH=str(data_path))
        self._server.start()

    def port(self, load: Load) -> int:
        return self._server.port

    def held(self) -> int:
        return len(self._server.archived())

    def clear(self) -> None:
        wait_until(lambda: not self._server.owed(), 30, "publishing")
        put_away(self._server.data / "archive")

    def stop(self) -> None:
        self._server.stop()


class Storescp(Peer):
    """DCMTK's: one process, one that forks for many associations, and both with what they come with."""

    name = "DCMTK storescp"

    def __init__(self, folder: Path) -> None:
        self._servers = {
            (fork, nagle): StoreSCP(
                folder / f"{fork}{nagle}", options=("+xa", "--fork") if fork else ("+xa",), nodelay=not nagle
            )
            for fork in (False, True)
            for nagle in (False, True)
        }
        for server in self._servers.values():
            server.start()

    def port(self, load: Load) -> int:
        return self._servers[load.associations > 1, load.nagle].port

    def held(self) -> int:
        return sum(len(server.files()) for server in self._servers.values())

    def clear(self) -> None:
        for server in self._servers.values():
            put_away(server.received)
            server.received.mkdir()

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()


class OrthancPeer(Peer):
    """Orthanc without compression, index on disk."""

    name = "Orthanc"

    def __init__(self, folder: Path) -> None:
        self._servers = {nagle: Orthanc(folder / f"{nagle}", nodelay=not nagle) for nagle in (False, True)}
        for server in self._servers.values():
            server.start()

    def port(self, load: Load) -> int:
        return self._servers[load.nagle].dicom_port

    def held(self) -> int:
        return sum(server.count() for server in self._servers.values())

    def clear(self) -> None:
        for server in self._servers.values():
            server.clear()
        os.sync()

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()


def loads(scale: float) -> list[Load]:
    """The rows; `scale` 1 keeps the whole run under two minutes or so."""
    ct, mr = cached(ct_series, int(200 * scale)), cached(mr_series, int(400 * scale))
    big = cached(multiframe, 3)
    return [
        Load("CT 0.53 MB, 1 association", ct),
        Load("CT 0.53 MB, 4 associations", ct, 4),
        Load("MR 0.14 MB, 1 association", mr),
        Load("MR 0.14 MB, 4 associations", mr, 4),
        Load("MR, sender with Nagle", mr[: int(60 * scale)], 1, nagle=True),
        Load("multi-frame 100 MB", big),
    ]


def send(load: Load, port: int) -> float:
    """Seconds from starting the senders to the end of the last one."""
    parts = [load.files[n :: load.associations] for n in range(load.associations)]
    with ThreadPoolExecutor(load.associations) as pool:
        start = time.perf_counter()
        sent = list(pool.map(lambda part: storescu(port, *part, nodelay=not load.nagle), parts))
        seconds = time.perf_counter() - start
    for done in sent:
        done.check_returncode()
    return seconds


def run(rounds: int = 3, scale: float = 1.0) -> list[dict[str, Any]]:
    """Every load to every server, `rounds` times in turn; medians."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="reception-", dir=os.environ.get("TMPDIR")) as folder:
        root = Path(folder)
        peers: list[Peer] = []
        try:
            peers += [Fiona(root / "fiona"), Storescp(root / "storescp"), OrthancPeer(root / "orthanc")]
            for load in loads(scale):
                size = sum(path.stat().st_size for path in load.files)
                seconds: dict[str, list[float]] = {peer.name: [] for peer in peers}
                for _ in range(rounds):
                    for peer in peers:
                        seconds[peer.name].append(send(load, peer.port(load)))
                        assert peer.held() == len(load.files), f"{peer.name} lost something"
                        peer.clear()
                for peer in peers:
                    median = statistics.median(seconds[peer.name])
                    rows.append(
                        {
                            "load": load.name,
                            "server": peer.name,
                            "instances_per_second": round(len(load.files) / median, 1),
                            "megabytes_per_second": round(size / median / 1e6, 1),
                        }
                    )
        finally:
            for peer in peers:
                peer.stop()
    return rows


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """Instances (and MB) per second, and how many times each peer's rate ours is."""
    servers: Final = list(dict.fromkeys(row["server"] for row in rows))
    table = Table("reception: instances/s (MB/s)", *servers, *(f"x {peer}" for peer in servers[1:]))
    for load in dict.fromkeys(row["load"] for row in rows):
        of = {row["server"]: row for row in rows if row["load"] == load}
        rates = [of[server]["instances_per_second"] for server in servers]
        table.add_row(
            load,
            *(f"{of[s]['instances_per_second']:.0f} ({of[s]['megabytes_per_second']:.0f})" for s in servers),
            *(f"{rates[0] / rate:.1f}" for rate in rates[1:]),
        )
    console.print(table)


def main() -> None:
    """Print the table; with --json write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    asked = parser.parse_args()
    rows = run(asked.rounds, asked.scale)
    show(rows, Console(width=140))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
