"""Server-sent events: what changes is told at once, to each who may know, as it stands, without an identity."""
