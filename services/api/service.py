"""The composition of the api."""

from services.api.server import serve
from shared.service import Service

service = Service(name="api", serve=serve)
