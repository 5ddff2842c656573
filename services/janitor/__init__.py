"""The janitor: what has had its time, and what does not fit together."""
