"""What a run goes over, phase by phase. Each finds things that may go, and why the others stay; nothing is touched."""

from collections.abc import Mapping
from typing import Final

from services.janitor.plan import Plan
from services.janitor.retention import aged, by_disk, transfers
from services.janitor.retention.links import stale_links

RETENTION: Final[Mapping[str, Plan]] = {
    "temporary": aged.temporary,
    "rows": aged.rows,
    "stopped": transfers.stopped,
    "settled": transfers.settled,
    "review": transfers.review,
    "exports": aged.exports,
    "anonymized": by_disk.anonymized,
    "archive": by_disk.archive,
    "identities": aged.identities,
    "links": stale_links,
}
"""In this order: what is of no use to anybody first."""

SELDOM: Final = frozenset(("temporary", "links"))
"""What walks over whole trees: once a day, and whenever a person asks."""
