"""What Prometheus sees of sending; destinations are few and named by the operator."""

from prometheus_client import Counter, Gauge, Histogram

ANSWERS = Counter("fiona_sender_answers_total", "Answers to instances", ["kind", "verdict"])
BYTES = Counter("fiona_sender_bytes_total", "Bytes of instances that a destination has taken", ["destination"])
SECONDS = Histogram("fiona_sender_part_seconds", "Sending one part to one destination", ["kind"])
CIRCUIT_OPEN = Gauge("fiona_sender_circuit_open", "1 while a destination is taken to be down", ["destination"])
CIRCUIT_OPENED = Counter(
    "fiona_sender_circuit_opened_total", "How often a destination was found to be down", ["destination"]
)
