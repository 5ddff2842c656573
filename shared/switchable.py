"""What an operator can switch off, by name; nothing else, so that a terminal can know it without a database."""

from enum import StrEnum


class Switch(StrEnum):
    """Receiving, de-identifying, sending."""

    RECEIVE = "receive"
    ANONYMISE = "anonymise"
    SEND = "send"
