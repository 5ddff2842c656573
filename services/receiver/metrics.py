"""What the receiver counts."""

from prometheus_client import Counter, Gauge, Histogram

from shared.journal import Kind, Outcome

ASSOCIATIONS = Gauge("fiona_receiver_associations", "Open connections")
ACCEPTED = Counter("fiona_receiver_accepted_total", "Associations accepted")
LASTED = Histogram(
    "fiona_receiver_association_seconds",
    "How long associations lasted",
    buckets=(0.05, 0.2, 1, 5, 15, 60, 300, 1800, 7200),
)
CUT = Counter("fiona_receiver_cut_total", "Associations that ended otherwise than in good order", ["why"])
REJECTED = Counter("fiona_receiver_rejected_total", "Connections and associations refused", ["why"])
INSTANCES = Counter("fiona_receiver_instances_total", "C-STORE requests answered", ["outcome"])
BYTES = Counter("fiona_receiver_bytes_total", "Bytes of the datasets that came in")
SECONDS = Histogram(
    "fiona_receiver_store_seconds",
    "From the last byte of a dataset to its answer",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)

_BY_KIND = {kind: INSTANCES.labels(kind) for kind in Kind}


def count(outcome: Outcome, size: int, seconds: float) -> None:
    """One C-STORE was answered."""
    _BY_KIND[outcome.kind].inc()
    BYTES.inc(size)
    SECONDS.observe(seconds)
