"""What the api counts. Routes are named by their operations, so that no label grows with the data."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("fiona_api_requests_total", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram("fiona_api_request_seconds", "From a request's head to its answer's end", ["route"])
STOW_INSTANCES = Counter("fiona_api_stow_instances_total", "Instances by what became of them", ["outcome"])
STOW_BYTES = Counter("fiona_api_stow_bytes_total", "Bytes of STOW-RS bodies")
STOW_REQUESTS = Gauge("fiona_api_stow_requests", "STOW-RS requests in hand")
