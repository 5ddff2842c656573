"""What became of spans."""

from prometheus_client import Counter

SPANS = Counter("fiona_tracing_spans_total", "Spans handed to the collector, by outcome", ["outcome"])
