"""What the audit service counts."""

from prometheus_client import Counter, Gauge

ENTRIES = Counter("fiona_audit_entries_total", "Entries chained by this process, by outcome", ["outcome"])
WAITING = Gauge("fiona_audit_spool_files", "Files of records that wait to be chained")
UNREADABLE = Counter(
    "fiona_audit_unreadable_total", "Files of the spool that were set aside because they are no records"
)
TRUNCATIONS = Counter("fiona_audit_truncations_total", "How often the chain was shorter than its head says")
COLLECTOR_WAITING = Gauge("fiona_audit_collector_waiting", "Entries that the collector has not been told of")
COLLECTOR_FAILURES = Counter(
    "fiona_audit_collector_failures_total", "Connections to the collector that failed or broke"
)
