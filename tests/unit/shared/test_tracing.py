"""Traces go to a collector by OTLP, carry no patient, and cost nothing while none is named."""

import io
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared import log, tracing
from shared.bus import Message
from shared.events import StudyArrived
from shared.settings import Settings
from shared.tracing.export import configure
from tests.components.certificates import Authority
from tests.components.otlp import Collector

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVENT = StudyArrived(study_instance_uid="1.2", series=1, instances=1)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def test_off_is_nothing_at_all() -> None:
    end = configure(Settings(), ["receiver"])
    with tracing.span("work") as span:
        assert span is tracing.OFF
        assert tracing.begin("more") is tracing.OFF
        assert tracing.current() is None
        assert Message.of(EVENT).traceparent is None
    end()


_messages: list[Message] = []


def _work(name: str) -> None:
    with tracing.span("outer", PARENT, kind="consumer") as outer:
        outer.set(queue="router.study.arrived.v1", patient_name=name, tries=2)
        _messages.append(Message.of(EVENT))
        with tracing.span("inner", links=["no context", PARENT]) as span:
            span.event("taken", instances=3, who=name)
        raise ValueError(name)


def test_spans_reach_the_collector_and_carry_what_is_harmless_only(collector: Collector) -> None:
    settings = Settings.model_validate({"otlp_endpoint": collector.url, "otlp_token": SecretStr("t0k")})
    end = configure(settings, ["router"])
    with pytest.raises(ValueError, match="Hansen"):
        _work("Hansen^Kari")
    inner = _messages.pop()
    with tracing.span("alone", tracing.NEW), tracing.span("of a bad message", "00-zz-11-01"):
        pass
    end()
    spans = {span.name: span for span in collector.spans}
    assert tracing.current() is None
    assert spans["outer"].trace == spans["inner"].trace == PARENT[3:35]
    assert spans["outer"].parent == PARENT[36:52]
    assert spans["inner"].parent == spans["outer"].span
    assert inner.traceparent == f"00-{spans['outer'].trace}-{spans['outer'].span}-01"
    assert spans["outer"].attributes == {"fiona.queue": "router.study.arrived.v1", "fiona.tries": 2}
    assert spans["outer"].failed
    assert spans["inner"].events == [("taken", {"fiona.instances": 3})]
    assert spans["inner"].links == [PARENT[3:35]]
    assert spans["alone"].parent == spans["of a bad message"].parent == ""
    assert {span.service for span in collector.spans} == {"router"}
    assert collector.tokens == {"Bearer t0k"}
    assert not any(b"Hansen" in body for body in collector.bodies)


def test_a_log_line_names_its_trace(collector: Collector) -> None:
    end = configure(Settings.model_validate({"otlp_endpoint": collector.url}), ["router"])
    stream = io.StringIO()
    log.configure(stream=stream)
    with tracing.span("work", PARENT):
        log.logger("router").info("inside")
    log.logger("router").info("outside")
    end()
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert inside["trace_id"] == PARENT[3:35]
    assert "trace_id" not in outside


def test_a_collector_that_is_away_holds_up_nobody() -> None:
    end = configure(Settings.model_validate({"otlp_endpoint": "http://127.0.0.1:9"}), ["router"])
    with tracing.span("work"):
        pass
    end()


def test_a_part_of_the_traces(collector: Collector) -> None:
    end = configure(Settings.model_validate({"otlp_endpoint": collector.url, "otlp_sample": 0}), ["router"])
    with tracing.span("work") as work:
        assert work.traceparent is not None
        assert not int(work.traceparent[-2:], 16) & 1
    end()
    assert collector.spans == []


def test_a_collector_over_tls_is_checked_by_the_authority_that_is_named(tmp_path: Path) -> None:
    ours, strange = Authority(tmp_path / "ours"), Authority(tmp_path / "strange")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*ours.sign("collector"))
    with Collector(tls) as collector:
        for authority in (strange, ours):
            end = configure(Settings.model_validate({"otlp_endpoint": collector.url, "otlp_ca": authority.ca}), ["a"])
            with tracing.span("of ours" if authority is ours else "of strangers"):
                pass
            end()
    assert [span.name for span in collector.spans] == ["of ours"]
