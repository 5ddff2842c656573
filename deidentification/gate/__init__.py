"""The last gate: nothing of the source's identity stands in what was written."""
