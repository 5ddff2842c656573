"""What the journal counts."""

from prometheus_client import Counter, Gauge

OWED = Gauge("fiona_journal_owed_instances", "Instances acknowledged that the bus has not got yet")
OLDEST = Gauge(
    "fiona_journal_oldest_owed_seconds",
    "All that was acknowledged longer ago than this is on the bus, for the journal of a service",
    ["service"],
)
PUBLISHED = Counter("fiona_journal_published_instances_total", "Instances that the bus has taken over")
RECOVERED = Counter("fiona_journal_recovered_associations_total", "Associations a dead process left")
SET_ASIDE = Counter("fiona_journal_set_aside_total", "Owed files that could not be read any more")
"""Not zero: a disk has lost what it had promised to keep."""
