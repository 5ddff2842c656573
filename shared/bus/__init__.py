"""The bus: two transports, one behaviour."""

from shared.bus.message import Message
from shared.bus.protocol import (
    Again,
    Bury,
    Bus,
    BusUnavailable,
    DeadLetter,
    Deliver,
    Delivery,
    Done,
    Fate,
    RetryTiers,
)

__all__ = [
    "Again",
    "Bury",
    "Bus",
    "BusUnavailable",
    "DeadLetter",
    "Deliver",
    "Delivery",
    "Done",
    "Fate",
    "Message",
    "RetryTiers",
]
