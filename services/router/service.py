"""The composition of the router."""

from services.router.handlers import handlers
from shared.service import Service

service = Service(name="router", handlers=handlers)
