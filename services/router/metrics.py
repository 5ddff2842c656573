"""What the router counts of transfers; the gauges are of the database, so every replica says the same."""

from prometheus_client import Counter, Gauge, Histogram

UNDER_WAY = Gauge("fiona_router_transfers", "Transfers that are not over", ["state"])
OLDEST = Gauge("fiona_router_oldest_transfer_seconds", "Age of the oldest of them", ["state"])
QUARANTINED = Gauge("fiona_router_quarantined_instances", "Instances in quarantine that nobody has decided about")
ENDED = Counter("fiona_router_transfers_ended_total", "Transfers that came to an end", ["state"])
SECONDS = Histogram(
    "fiona_router_transfer_seconds",
    "From asking for a transfer to its end",
    ["state"],
    buckets=(1, 5, 15, 60, 180, 600, 1800, 3600, 14400, 86400),
)

# Told as 0 from the start: Prometheus sees a rise only from a value that it had seen before.
for _state in ("completed", "quarantined", "failed"):
    ENDED.labels(_state)
