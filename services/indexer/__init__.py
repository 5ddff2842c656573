"""The indexer: what is in the archive, where it is found by people, and when a series is whole."""
