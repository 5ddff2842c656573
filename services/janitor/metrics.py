"""What the janitor counts."""

from prometheus_client import Counter, Gauge

REMOVED = Counter("fiona_janitor_removed_total", "Removals by policy, as they were answered", ["kind"])
REMOVED_BYTES = Counter("fiona_janitor_removed_bytes_total", "Bytes given back, by policy", ["kind"])
KEPT = Counter("fiona_janitor_kept_total", "Removals that were asked for and not done, by policy", ["kind"])
DISK = Gauge("fiona_janitor_disk_used_ratio", "How full the disk of a tree is, 0 to 1", ["tree"])
FINDINGS = Gauge("fiona_janitor_findings", "What the last examination has found, by sort", ["sort"])
GOING = Gauge("fiona_janitor_going", "1: it removes; 0: it only reports")
RESERVE = Gauge("fiona_janitor_reserve_bytes", "What is kept of the disk for making room; 0: it was given up")
LAST_RUN = Gauge("fiona_janitor_last_run_timestamp_seconds", "When the last run ended, by kind", ["kind"])


def forget() -> None:
    """Another one is the janitor now: what was found last would be said for ever."""
    DISK.clear()
    FINDINGS.clear()
    GOING.set(0)
