"""From spans to a collector by OTLP over HTTP, in batches, in a thread of its own; what it does not take is dropped."""

from collections.abc import Callable, Sequence
from uuid import uuid4

from shared.settings import Settings
from shared.tracing.spans import record_with

LONGEST = 3.0
"""Seconds that one export may take, and so about as long as the end of a process waits for a collector."""


def configure(settings: Settings, services: Sequence[str]) -> Callable[[], None]:
    """Begin to trace if a collector is named; the answer ends it, after handing over what is left."""
    if settings.otlp_endpoint is None:
        return lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    from requests import Session

    from shared.tracing.metrics import SPANS

    class Counted(SpanExporter):
        """The exporter, counting."""

        def __init__(self, exporter: SpanExporter) -> None:
            self._exporter = exporter

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = self._exporter.export(spans)
            SPANS.labels("exported" if result is SpanExportResult.SUCCESS else "failed").inc(len(spans))
            return result

        def shutdown(self) -> None:
            self._exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return self._exporter.force_flush(timeout_millis)

    # The environment (REQUESTS_CA_BUNDLE, proxies) would win over the authority that is named here.
    session = Session()
    session.trust_env = settings.otlp_ca is None
    token = settings.otlp_token
    exporter = OTLPSpanExporter(
        endpoint=f"{str(settings.otlp_endpoint).rstrip('/')}/v1/traces",
        certificate_file=str(settings.otlp_ca) if settings.otlp_ca is not None else None,
        headers={"Authorization": f"Bearer {token.get_secret_value()}"} if token is not None else None,
        timeout=LONGEST,
        session=session,
    )
    resource = Resource({"service.namespace": "fiona", "service.name": "-".join(services) or "fiona"})
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.otlp_sample)),
        resource=resource.merge(Resource({"service.instance.id": str(uuid4())})),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(Counted(exporter), schedule_delay_millis=1000))
    record_with(provider.get_tracer("fiona"))

    def end() -> None:
        record_with(None)
        provider.shutdown()

    return end
