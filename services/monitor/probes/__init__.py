"""The ways to look, one module for each sort of thing.

A probe covers some sorts of things (`check` of its readings) and gives a reading of each there is. It may raise: then
nothing is learned of what it covers, and what was known holds.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from services.monitor.readings import Reading
from services.monitor.settings import MonitorSettings
from shared.service import Context
from shared.switches import Switches


@dataclass(frozen=True)
class Ground:
    """What probes look from."""

    context: Context
    settings: MonitorSettings
    switches: Switches


@dataclass(frozen=True)
class Probe:
    """A way to look."""

    covers: frozenset[str]
    look: Callable[[], Awaitable[Sequence[Reading]]]
    needs_database: bool = True
