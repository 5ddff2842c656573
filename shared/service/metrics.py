"""What every service counts of what it is given and of what it looks at."""

from prometheus_client import Counter, Gauge, Histogram

LONG = (0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1800)
"""Buckets for work that takes as long as a series is large."""
AGES = (0.05, 0.2, 1, 5, 15, 60, 300, 1800, 3600, 14400, 86400)

READY = Gauge("fiona_service_ready", "1 while the service serves", ["service"])
HANDLED = Counter("fiona_service_handled_total", "Deliveries by what became of them", ["queue", "fate"])
SECONDS = Histogram("fiona_service_handling_seconds", "Time from delivery to commit", ["queue"], buckets=LONG)
WAITING = Histogram(
    "fiona_service_waiting_seconds",
    "Age of a message, since its event happened, when it is first delivered",
    ["queue"],
    buckets=AGES,
)
TICKS = Counter("fiona_service_ticks_total", "Regular looks by how they went", ["service", "tick", "outcome"])
TICK_SECONDS = Histogram("fiona_service_tick_seconds", "Time that a regular look takes", ["service"], buckets=LONG)
