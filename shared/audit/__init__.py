"""The audit: records of who did what, durable before anybody is answered, and the chain that they become."""

from shared.audit.record import Record
from shared.audit.spool import Spool, SpoolUnavailable

__all__ = ["Record", "Spool", "SpoolUnavailable"]
