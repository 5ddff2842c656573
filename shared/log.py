"""JSON lines on standard output that cannot carry a patient.

What is logged is an event name and identifiers or counts. A text under a key that is not known to be
harmless is dropped; an exception is reported by its type and place, not by its message, since libraries
like to quote the value they stumbled over; other people's loggers say only that they spoke.
"""

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from shared import tracing
from shared.harmless import HARMLESS

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


def with_trace(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the trace and the span in which this was logged, if there is one."""
    if (context := tracing.current()) is not None:
        _, entry["trace_id"], entry["span_id"], _ = context.split("-")
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
        with_trace,
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
    for noisy in ("pynetdicom", "pydicom", "aio_pika", "aiormq", "httpx", "py.warnings", "alembic", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # An error for each attempt to connect; the bus says it once, and why.
    logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)


def catch_all() -> None:
    """Say of what ends a thread or this process, too, only what it is and where, as one line of JSON."""

    def ended(what: str, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
            logger("process").critical(what, exc_info=error)

    sys.excepthook = lambda _, error, __: ended("the process ends", error)
    threading.excepthook = lambda arguments: ended("a thread ends", arguments.exc_value)
    sys.unraisablehook = lambda arguments: ended("nobody could be told", arguments.exc_value)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a part: `logger("receiver").info("association accepted", calling_aet=…)`."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(f"fiona.{name}")
    return bound
