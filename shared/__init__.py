"""The little that all services agree on."""
