"""Server-sent events become lines, and a stream that breaks is taken up again where it was."""

import json
from collections.abc import Callable

import httpx
import pytest

from cli import events, main, watch
from cli.client import Client
from cli.events import Said, following, read
from cli.failure import Code, Failure

TRANSFER = {
    "id": "t1", "project": "ABCD-study", "participant": "X1", "event": "week 1", "state": "sending", "instances": 4,
    "anonymized": 3, "quarantined": 1, "delivered": 0, "error": None,
}  # fmt: skip


def streamed(*said: tuple[str, str, dict[str, object]]) -> str:
    return "".join(f"event: {sort}\nid: {number}\ndata: {json.dumps(data)}\n\n" for sort, number, data in said)


def client(handler: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://gateway", transport=httpx.MockTransport(handler))


def test_lines_become_events() -> None:
    lines = [": ping", "", "event: study", "id: 4", 'data: {"a":', "data: 1}", "", "retry: 1000", "", "data: {}"]
    assert list(read(lines)) == [Said("study", "4", {"a": 1}), Said("message", None, {})]


def test_a_stream_is_taken_up_where_it_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "AGAIN", 0)
    asked: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        if len(asked) == 2:
            raise httpx.ReadError("reset by peer")
        number = str(len(asked))
        return httpx.Response(200, text=streamed(("hello", number, {}), ("transfer", number, TRANSFER)))

    with client(handler) as gateway:
        told = following(gateway)
        assert [next(told)[0] for _ in range(2)] == ["transfer", "transfer"]
    assert asked == [None, "1", "1"]


def test_a_gateway_that_refuses_or_is_not_there() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, json={"title": "You watch too often at once"})

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with client(refuse) as gateway, pytest.raises(Failure, match="too often"):
        next(following(gateway))
    with client(away) as gateway, pytest.raises(Failure) as failed:
        next(following(gateway))
    assert failed.value.code is Code.UNREACHABLE


def test_what_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    study = {"study_instance_uid": "1.2", "series": 1, "instances": 4, "arrived": True}
    assigned = {
        "study_instance_uid": "1.2",
        "project": "ABCD-study",
        "participant": "X1",
        "event": "e",
        "refused": None,
        "ended": False,
    }
    said = [
        ("study", study),
        ("assignment", assigned),
        ("transfer", TRANSFER),
        ("quarantine", {"project": "EFGH-study", "open": 2}),
        ("reset", {}),
    ]
    monkeypatch.setattr(watch, "following", lambda _: iter(said))
    assert main.run(["watch", "--project", "ABCD-study"]) == 0
    shown = capsys.readouterr()
    assert [line.split()[1] for line in shown.out.splitlines()] == ["study", "assignment", "transfer"]
    assert "sending | instances 4, de-identified 3, quarantined 1, delivered 0" in shown.out
    assert "too long ago" in shown.err
    assert main.run(["watch", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == {"event": "transfer", **TRANSFER}
