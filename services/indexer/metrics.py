"""What the indexer counts."""

from prometheus_client import Counter, Gauge, Histogram

INSTANCES = Counter("fiona_indexer_instances_total", "Instances by what became of them", ["outcome"])
UNREADABLE = Counter("fiona_indexer_unreadable_total", "Headers that could not be read")
MISMATCHES = Counter("fiona_indexer_identity_mismatches_total", "Batches whose patient is not the one of their study")
READING = Histogram("fiona_indexer_reading_seconds", "Time to read the headers of a batch")
CATALOGUING = Histogram("fiona_indexer_cataloguing_seconds", "Time to write a batch into the catalogue")
ARRIVALS = Counter("fiona_indexer_arrivals_total", "Revisions of series published, by why", ["reason"])
OPEN_SERIES = Gauge("fiona_indexer_open_series_count", "Series that have not arrived")
GIVEN_UP = Counter("fiona_indexer_associations_given_up_total", "Associations whose count never agreed")
