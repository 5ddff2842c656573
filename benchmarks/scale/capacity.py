"""What each part needs of a core for an image: as measured on the whole road, and what follows for any size."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import yaml

HERE: Final = Path(__file__).parent
MEASURED: Final = HERE / "measured.yaml"
PARTS: Final = ("receiver", "indexer", "router", "anonymizer", "sender", "RabbitMQ", "PostgreSQL")
CT_MB: Final = 0.53
"""The road is measured with CT slices of this size."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one core for an instance: so much whatever its size, and so much for each MB of it."""

    instance: float
    mb: float = 0.0

    def seconds(self, instances: float, megabytes: float) -> float:
        """For so many instances that have so many MB together."""
        return self.instance * instances + self.mb * megabytes


@dataclass(frozen=True)
class Capacity:
    """The cost of every part by name, what a research PACS takes over one association, and whose figures they are."""

    costs: dict[str, Cost]
    seconds_per_frame_read: float
    pacs_instances_per_s: float
    source: str

    @classmethod
    def read(cls, path: Path = MEASURED) -> Self:
        """From measured.yaml, which people read, or from the bench.json of a run of one's own."""
        found = yaml.safe_load(MEASURED.read_text("utf-8"))
        if path.suffix == ".json":
            found |= _of_a_run(json.loads(path.read_text("utf-8")))
        elif path != MEASURED:
            found |= yaml.safe_load(path.read_text("utf-8"))
        return cls(
            {
                name: Cost(each["ms_per_instance"] / 1000, each["ms_per_mb"] / 1000)
                for name, each in found["parts"].items()
            },
            found["ms_per_frame_read"] / 1000,
            found["pacs_instances_per_s"],
            str(found["source"]),
        )


def _of_a_run(document: dict[str, Any]) -> dict[str, Any]:
    """The rows of `make bench` as measured.yaml says it; KeyError names what was not run.

    Two sizes of image tell the price of a MB from the price of an image: reception for the receiver, sending for the
    sender. The others read a header, whatever comes behind it, but for the anonymizer: it copies, as `cp` does.
    """
    values = {(row["benchmark"], row["case"], row["subject"]): row["value"] for row in document["rows"]}
    count = 400
    cpu = {part: 1000 * values["road", "CPU seconds by process", part] / count for part in PARTS}
    per_mb = {
        "receiver": _slope(
            values["reception", "CT 0.53 MB, 1 association", "FIONA"],
            values["reception", "MR 0.14 MB, 1 association", "FIONA"],
        ),
        "anonymizer": values["deidentification", "CT series, CPU per instance", "cp"] / CT_MB,
        "sender": _slope(
            values["sending", "CT 0.53 MB × 300", "FIONA, client"],
            values["sending", "MR 0.14 MB × 300", "FIONA, client"],
        ),
    }
    parts = {}
    for part in PARTS:
        mb = min(per_mb.get(part, 0.0), cpu[part] / CT_MB)
        parts[part] = {"ms_per_instance": round(cpu[part] - mb * CT_MB, 3), "ms_per_mb": round(mb, 3)}
    sent = values["road", "stage: send", "FIONA"]
    return {
        "parts": parts,
        "pacs_instances_per_s": round(count / sent),
        "source": document.get("machine", "a run of make bench"),
    }


def _slope(large: float, small: float) -> float:
    """ms for one more MB, from the instances/s of two sizes."""
    return 1000 * (1 / large - 1 / small) / (CT_MB - 0.14)
