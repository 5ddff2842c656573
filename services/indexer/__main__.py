"""The indexer in a process of its own."""

from services.indexer.service import service
from shared.service import main

main(service)
