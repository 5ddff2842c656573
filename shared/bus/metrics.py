"""What both transports count."""

from prometheus_client import Counter, Histogram

from shared.bus.protocol import Again, Bury

PUBLISHED = Counter("fiona_bus_published_total", "Messages that the bus has taken")
PUBLISHING = Histogram("fiona_bus_publish_seconds", "Handing messages to the bus until they are durable there")
UNAVAILABLE = Counter("fiona_bus_unavailable_total", "Publications that the bus did not take")
RETRIES = Counter(
    "fiona_bus_retries_total",
    "Deliveries put to rest; counted: the message is at fault, else the world is not ready",
    ["queue", "counted"],
)
DEAD = Counter("fiona_bus_dead_total", "Messages that this process gave up", ["queue"])


def settled(queue: str, fate: Again | Bury, rest: float | None) -> None:
    """A message that was not handled rests for so long, or (None) is dead."""
    if rest is None:
        DEAD.labels(queue).inc()
    elif isinstance(fate, Again):
        RETRIES.labels(queue, "yes" if fate.delay is None else "no").inc()
