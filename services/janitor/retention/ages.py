"""Ages of things, as moments."""

from datetime import datetime, timedelta

from shared.tables.base import now


def ago(days: float) -> datetime:
    """So many days ago."""
    return now() - timedelta(days=days)
