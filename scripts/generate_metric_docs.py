"""Write docs/metrics.md from what the code counts: `python -m scripts.generate_metric_docs`."""

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Final

from prometheus_client import REGISTRY

import services
import shared

TARGET = Path(__file__).parent.parent / "docs/metrics.md"
LABELS: Final = {
    "channel": "`mail` or `webhook`",
    "check": "what the monitor looks at: a dozen words",
    "content": "what is asked of REDCap's API: a handful",
    "counted": "`yes` or `no`",
    "destination": "the operator's destinations",
    "fate": "`done`, `again` or `bury`",
    "kind": "the kinds of destination, of what REDCap is owed, of the janitor's policies or runs",
    "method": "the methods of HTTP that are known, else `other`",
    "outcome": "words of ours",
    "queue": "the home queues, each an event that a service listens to",
    "reason": "words of ours",
    "route": "the operations of the api, else `none`",
    "service": "the services",
    "sort": "what the doctor can find: a handful",
    "state": "the states of a transfer",
    "status": "HTTP's",
    "step": "the steps of the road",
    "subject": "which one: the operator's destinations, disks, certificates, and the services",
    "switch": "`receive`, `anonymise` or `send`",
    "tick": "what the services look at regularly",
    "tree": "`archive` or `anonymized`",
    "verdict": "`taken`, `later` or `refused`",
    "why": "words of ours",
}
"""All labels that there may be, and what keeps each from growing with the data."""

HEAD = """# Metrics

Generated from the code by `python -m scripts.generate_metric_docs`.

Prometheus reads them at `/metrics` on `FIONA_HEALTH_PORT` of each process, and on the api's own port; beside them
stand the client's own about the process and Python. A gauge that tells of the database says the same on every
replica: take the `max`, not the `sum`. Counters and histograms begin anew with the process: use `rate`.
No label names a study, a participant or a person.
"""


def load_all() -> None:
    """Import whatever may count something."""
    for package in (shared, services):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".migrations." not in module.name:
                import_module(module.name)


def collectors() -> list[Any]:
    """Our collectors, by name."""
    load_all()
    ours = {id(each): each for name, each in REGISTRY._names_to_collectors.items() if name.startswith("fiona_")}
    return sorted(ours.values(), key=full_name)


def full_name(collector: Any) -> str:
    """As Prometheus knows it."""
    return str(collector._name) + ("_total" if collector._type == "counter" else "")


def place(name: str) -> str:
    """Which part counts it: the second word."""
    return name.split("_")[1]


def document() -> str:
    """The whole page."""
    lines = [HEAD]
    before = ""
    for each in collectors():
        name = full_name(each)
        if (part := place(name)) != before:
            lines += ["", f"## {part}", "| metric | type | labels | meaning |", "|---|---|---|---|"]
            before = part
        labels = ", ".join(f"`{label}`" for label in each._labelnames)
        lines.append(f"| `{name}` | {each._type} | {labels} | {each._documentation} |")
    used = sorted({label for each in collectors() for label in each._labelnames})
    lines += ["", "## Labels", "| label | is one of |", "|---|---|"]
    lines += [f"| `{label}` | {LABELS[label]} |" for label in used]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
