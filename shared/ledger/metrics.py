"""What the outbox counts; it is one for all processes, and each says what it sees of it."""

from prometheus_client import Gauge

WAITING = Gauge("fiona_outbox_messages", "Committed events that the bus has not got yet")
OLDEST = Gauge("fiona_outbox_oldest_seconds", "Age of the oldest of them")
