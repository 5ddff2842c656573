"""A service as a composition: its name, what it does when something happens, its ticks, what it keeps open."""

from shared.service.composition import Context, Service, Tick
from shared.service.runner import main, run

__all__ = ["Context", "Service", "Tick", "main", "run"]
