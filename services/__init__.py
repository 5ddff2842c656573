"""One folder a service; each owns one verb, a few events and its own tables."""
