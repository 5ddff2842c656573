"""What the benchmarks share: the row they answer with, medians, and a broker and a database of one's own."""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.components.postgres import PostgreSQL
from tests.components.rabbitmq import RabbitMQ

Row = dict[str, Any]
"""{"benchmark", "case", "subject", "peer", "unit", "value", "ratio"}: `ratio` is how many times as good ours is as
this peer (None for ours); `value` None: this peer is not on the machine."""


def row(
    benchmark: str,
    case: str,
    subject: str,
    unit: str,
    value: float | None,
    *,
    peer: bool = False,
    ratio: float | None = None,
) -> Row:
    """One figure."""
    return {
        "benchmark": benchmark,
        "case": case,
        "subject": subject,
        "peer": peer,
        "unit": unit,
        "value": None if value is None else float(f"{value:.4g}"),
        "ratio": None if ratio is None else round(ratio, 2),
    }


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many of a hundred do not exceed; 0 where there is none."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else sum(values)


class Stopwatch:
    """Seconds of a `with` block."""

    def __enter__(self) -> "Stopwatch":
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A folder for temporary files that PostgreSQL's user may enter; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"fiona-bench-{prefix}-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Backends:
    """A durable broker and a durable database."""

    rabbitmq: RabbitMQ
    postgres: PostgreSQL


@contextmanager
def backends(folder: Path) -> Iterator[Backends]:
    """Started for the block, killed after it."""
    with ExitStack() as stack:
        servers = Backends(RabbitMQ(folder / "rabbitmq"), PostgreSQL(folder / "postgres"))
        for server in (servers.rabbitmq, servers.postgres):
            stack.callback(server.kill)
            server.start()
        yield servers


def cores() -> int:
    """How many we may use."""
    return len(os.sched_getaffinity(0))
