"""The registry as all services see it: participants, their names, and what belongs to whom."""
