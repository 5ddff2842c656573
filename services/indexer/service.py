"""The composition of the indexer."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from services.indexer.classification.rules import load
from services.indexer.clock import Clock
from services.indexer.handlers import handlers
from services.indexer.headers.image import Reader
from services.indexer.identity import hash_patient_ids
from services.indexer.leaving.forgetting import forget
from services.indexer.settings import IndexerSettings
from services.indexer.ticks import arrive
from shared.service import Context, Service, Tick


@asynccontextmanager
async def open_resources(context: Context) -> AsyncIterator[dict[type, Any]]:
    """Load the rules (a wrong file stops the start) and keep the readers' threads."""
    settings = IndexerSettings()
    rules = load(settings.classify_rules)
    with ThreadPoolExecutor(settings.readers, thread_name_prefix="indexer") as executor:
        yield {
            IndexerSettings: settings,
            Reader: Reader(context.store, rules, executor, settings.readers),
            Clock: Clock(),
        }


service = Service(
    name="indexer",
    handlers=handlers,
    ticks=(Tick(1.0, arrive), Tick(10.0, hash_patient_ids), Tick(60.0, forget)),
    open=open_resources,
)
