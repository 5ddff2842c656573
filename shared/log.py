"""JSON lines on standard output that cannot carry a patient.

What is logged is an event name and identifiers or counts. A text under a key that is not known to be
harmless is dropped; an exception is reported by its type and place, not by its message, since libraries
like to quote the value they stumbled over; other people's loggers say only that they spoke.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

# fmt: off
HARMLESS = frozenset({
    "event", "level", "logger", "timestamp", "service", "queue", "message", "correlation", "causation", "name",
    "state", "reason", "why", "where", "error", "place", "host", "port", "url", "status", "kind", "destination",
    "project", "profile", "transfer", "assignment", "association", "calling_aet", "called_aet", "caller_ip",
    "study_instance_uid", "series_instance_uid", "sop_instance_uid", "sop_class_uid", "transfer_syntax_uid",
    "abstract_syntax", "path", "version", "signal", "tick", "outcome", "owner", "method", "route", "dropped",
    "study", "series", "instance", "folder", "node", "operation", "head",
})
# fmt: on
"""The keys whose texts may stand in a log; numbers and booleans may stand under any key."""

SPEAKING = ("fiona", "uvicorn.error")
"""Loggers of the standard library whose messages are printed; of others only name, level and place."""


def drop_phi(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep numbers, keep texts under harmless keys, drop the rest and say which keys were dropped."""
    kept = {
        key: value
        for key, value in entry.items()
        if key in HARMLESS or key.startswith("_") or isinstance(value, bool | int | float | None)
    }
    if dropped := sorted(entry.keys() - kept.keys()):
        kept["dropped"] = dropped
    return kept


def exception_by_place(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace exception information by the types and the places, innermost last, without messages."""
    info = entry.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        entry["error"] = type(error).__name__
        entry["place"] = " > ".join(f"{_tail(f.filename)}:{f.lineno} {f.name}" for f in frames)
        if error.__cause__ is not None:
            entry["error"] += f" from {type(error.__cause__).__name__}"
    return entry


def _tail(filename: str) -> str:
    return "/".join(filename.split("/")[-2:])


def _only_the_place(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record: logging.LogRecord | None = entry.get("_record")
    if record is not None and not record.name.startswith(SPEAKING):
        entry["event"] = f"{record.name} at {_tail(record.pathname)}:{record.lineno}"
        entry.pop("positional_args", None)
    return entry


def configure(level: str = "INFO", stream: Any = None) -> None:
    """Send structlog and the standard library's logging to one stream (standard output) as JSON."""
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        exception_by_place,
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                _only_the_place,
                drop_phi,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    for noisy in ("pynetdicom", "pydicom", "aio_pika", "aiormq", "httpx", "py.warnings", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a part: `logger("receiver").info("association accepted", calling_aet=…)`."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(f"fiona.{name}")
    return bound
