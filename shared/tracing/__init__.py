"""Traces by OpenTelemetry: off, and free of cost, unless FIONA_OTLP_ENDPOINT names a collector."""

from shared.tracing.spans import NEW, OFF, Span, begin, current, enabled, same_trace, span

__all__ = ["NEW", "OFF", "Span", "begin", "current", "enabled", "same_trace", "span"]
