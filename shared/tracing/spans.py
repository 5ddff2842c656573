"""Spans that carry no patient, and their context as W3C writes it (`traceparent`), which goes where the work goes.

Attributes are held to what a log line may say. What an exception says is not recorded, only what it is.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

from shared.harmless import HARMLESS

Kind = Literal["internal", "server", "client", "producer", "consumer"]
NEW = ""
"""As a parent: none, whatever is going on."""

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_tracer: Any = None


class Span:
    """Something that takes time; this one is not recorded, as all are while no collector is named."""

    traceparent: str | None = None

    def set(self, **attributes: Any) -> None:
        """Say more of it: numbers, and texts under keys that are harmless."""

    def rename(self, name: str) -> None:
        """Call it by what it has turned out to be."""

    def event(self, name: str, **attributes: Any) -> None:
        """Something happened in it at this moment."""

    def failed(self, why: str) -> None:
        """It did not go well; `why` is one of our words."""

    def end(self) -> None:
        """It is over."""

    def current(self) -> AbstractContextManager[Any]:
        """What begins in this block begins in this span."""
        return nullcontext()


OFF = Span()


class _Recorded(Span):
    def __init__(self, otel: Any) -> None:
        self._otel = otel
        context = otel.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def set(self, **attributes: Any) -> None:
        self._otel.set_attributes(_harmless(attributes))

    def rename(self, name: str) -> None:
        self._otel.update_name(name)

    def event(self, name: str, **attributes: Any) -> None:
        self._otel.add_event(name, _harmless(attributes))

    def failed(self, why: str) -> None:
        from opentelemetry.trace import StatusCode

        self._otel.set_status(StatusCode.ERROR, why)

    def end(self) -> None:
        self._otel.end()

    def current(self) -> AbstractContextManager[Any]:
        from opentelemetry.trace import use_span

        return use_span(self._otel, end_on_exit=False, record_exception=False, set_status_on_exception=False)


def record_with(tracer: Any) -> None:
    """Record spans with a tracer of OpenTelemetry's; None: no more."""
    global _tracer
    _tracer = tracer


def enabled() -> bool:
    """Whether spans are recorded."""
    return _tracer is not None


def begin(
    name: str, parent: str | None = None, links: Sequence[str] = (), kind: Kind = "internal", **attributes: Any
) -> Span:
    """A span, to be ended by the caller: of what is current, of a `traceparent` that came by a message, or NEW."""
    if _tracer is None:
        return OFF
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, set_span_in_context

    context = None
    if parent is not None:
        of = _span_context(parent)
        context = set_span_in_context(NonRecordingSpan(of), Context()) if of is not None else Context()
    linked = [Link(each) for each in map(_span_context, links) if each is not None]
    return _Recorded(
        _tracer.start_span(name, context, SpanKind[kind.upper()], attributes=_harmless(attributes), links=linked)
    )


@contextmanager
def span(
    name: str, parent: str | None = None, links: Sequence[str] = (), kind: Kind = "internal", **attributes: Any
) -> Iterator[Span]:
    """The same for a block: current in it, ended after it, failed if an exception leaves it."""
    if _tracer is None:
        yield OFF
        return
    opened = begin(name, parent, links, kind, **attributes)
    try:
        with opened.current():
            yield opened
    except Exception as error:
        opened.failed(type(error).__name__)
        raise
    finally:
        opened.end()


def current() -> str | None:
    """The `traceparent` of what is going on here; None when nothing is recorded."""
    if _tracer is None:
        return None
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def same_trace(one: str | None, other: str | None) -> bool:
    """Whether two contexts are of one trace."""
    return one is not None and other is not None and one[3:35] == other[3:35]


def _span_context(traceparent: str) -> Any:
    """None for what is no context: it came with a message, and a message is not refused for it."""
    from opentelemetry.trace import SpanContext, TraceFlags

    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or not (int(match[1], 16) and int(match[2], 16)):
        return None
    return SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16)))


def _harmless(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        f"fiona.{key}": value
        for key, value in attributes.items()
        if isinstance(value, bool | int | float) or (key in HARMLESS and isinstance(value, str) and value)
    }
