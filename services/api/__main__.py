"""The api in a process of its own."""

from services.api.service import service
from shared.service import main

main(service)
