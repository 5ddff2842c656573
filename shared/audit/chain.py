"""The chain: each entry's hash covers the entry and the hash before it, under a key that the database does not show.

Without the key nobody makes a hash that fits, so whoever may write to the database can break the chain but not mend
it. What is cut off at its end breaks nothing; that is found by heads that are kept elsewhere (shared.audit.head).
"""

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

BEGINNING: Final = "0" * 64
"""What stands before the first entry."""

FIELDS: Final = (
    "sequence", "id", "at", "actor", "actor_kind", "operation", "method", "outcome", "status", "address", "project",
    "study_instance_uid", "participant", "details", "correlation", "previous",
)  # fmt: skip
"""What a hash covers, in this order."""

Row = Mapping[str, Any]
"""A row of `audit_entries`."""

Damage = Literal["changed", "removed", "inserted", "truncated"]


class Link(NamedTuple):
    """A place in the chain; kept elsewhere, it is a head."""

    sequence: int
    hash: str


START: Final = Link(0, BEGINNING)


def entry_hash(key: bytes, entry: Row) -> str:
    """The hash that an entry has to have."""
    return hmac.new(key, canonical(entry).encode(), sha256).hexdigest()


def canonical(entry: Row) -> str:
    """An entry as one text, the same on every database."""
    return json.dumps([_plain(entry[name]) for name in FIELDS], sort_keys=True, separators=(",", ":"))


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def damage(key: bytes, before: Link, entry: Row, after: Row | None, head: int | None = None) -> Damage | None:
    """What was done where an entry follows one that is sound; None: it is sound, too.

    `after`: the next one; None when it is the last, which, if it is not sound, came after `head` (the last one that
    is known from elsewhere) or was changed.
    """
    if entry["sequence"] != before.sequence + 1:
        return "removed"
    linked = entry["previous"] == before.hash
    if linked and hmac.compare_digest(entry["hash"], entry_hash(key, entry)):
        return None
    if after["previous"] == before.hash if after is not None else head is not None and entry["sequence"] > head:
        return "inserted"
    return "changed" if linked else "removed"
