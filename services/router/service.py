"""The composition of the router."""

from services.router.handlers import handlers
from services.router.measuring import forget_traces, measure
from shared.service import Service, Tick

service = Service(name="router", handlers=handlers, ticks=(Tick(15, measure), Tick(3600, forget_traces)))
