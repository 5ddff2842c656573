"""What a step of the janitor looks with, and what it has found: what may go, and what does not fit together."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.janitor.disks import Disk
from services.janitor.policies import Policies
from services.janitor.settings import JanitorSettings
from shared.database import Database
from shared.events import Event, RetentionLimits
from shared.store import Store

Cursor = Mapping[str, Any]
"""How far it is; empty: at the beginning."""


@dataclass(frozen=True)
class Tools:
    """What looking takes."""

    database: Database
    store: Store
    policies: Policies
    settings: JanitorSettings


@dataclass(frozen=True)
class Want:
    """One thing that may go."""

    kind: str
    subject: str
    before: datetime
    size: int = 0
    why: str = ""
    limits: RetentionLimits = field(default_factory=RetentionLimits)


@dataclass(frozen=True)
class Finding:
    """Something that does not fit together, what it means, and what would heal it."""

    sort: str
    subject: str
    meaning: str
    study: str | None = None
    number: int = 1
    healing: str = ""
    events: Sequence[Event] = ()


@dataclass(frozen=True)
class Page:
    """What one step has found; `cursor` None: there is no more."""

    wants: Sequence[Want] = ()
    findings: Sequence[Finding] = ()
    cursor: Cursor | None = None
    kept: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    disk: tuple[str, Disk] | None = None


Plan = Callable[[Tools, Cursor, bool], Awaitable[Page]]
"""Tools, how far it is, and whether it only reports."""
