"""The bus that the settings name."""

from shared.bus.broker import SETTLING
from shared.bus.embedded import EmbeddedBus
from shared.bus.protocol import Bus, RetryTiers
from shared.bus.rabbitmq import RabbitBus
from shared.database import Database


def open_bus(url: str, database: Database | None, tiers: RetryTiers | None = None, settling: float = SETTLING) -> Bus:
    """`amqp://…` or `embedded:`; ValueError for anything else."""
    if url.startswith(("amqp://", "amqps://")):
        return RabbitBus(url, tiers, settling=settling)
    if url == "embedded:":
        if database is None:
            raise ValueError("the embedded bus lives in the database")
        return EmbeddedBus(database, tiers)
    raise ValueError("FIONA_BUS_URL must begin with amqp://, amqps:// or be 'embedded:'")
