"""The ledger: what was handled (inbox), what is to be published (outbox), and the relay between outbox and bus."""

from shared.ledger import lineage
from shared.ledger.inbox import claim, seen
from shared.ledger.outbox import add
from shared.ledger.relay import Relay

__all__ = ["Relay", "add", "claim", "lineage", "seen"]
