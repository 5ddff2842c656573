"""Who waits for REDCap is told what stands in its way, and waits no longer than anything can come of it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cli import main, redcap
from cli.client import Client, Item
from cli.failure import Code

Asked = Callable[[int], Item]
NO_RIGHT = "the token may not write: it lacks the right API Import"


def target(**values: Any) -> Item:
    before: Item = {
        "scope": "project", "project": "ABCD-study", "owed": 2, "waiting": 0, "waits_for": [], "problem": None,
        "next_try_at": None, "written_at": None, "comparing": True, "compared": "before", "compared_at": None,
        "differences": 0,
    }  # fmt: skip
    return before | values


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def gateway(monkeypatch: pytest.MonkeyPatch, answers: Asked) -> None:
    """One that answers the n-th question how it is with REDCap."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    asked = [0]

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/comparisons"):
            item = {"id": "mine", "scope": "project", "project": "ABCD-study"}
            return httpx.Response(202, json={"items": [item], "total": 1})
        if path.endswith("/differences"):
            return httpx.Response(200, json={"items": [], "total": 0})
        asked[0] += 1
        return httpx.Response(200, json={"items": [answers(asked[0])], "total": 1})

    monkeypatch.setattr(redcap, "Client", lambda: Client("http://gateway", transport=httpx.MockTransport(handler)))


def in_vain(after: float) -> Asked:
    """It is compared at once, or never; nothing can be written, and it is tried again later and later."""
    return lambda number: target(problem=NO_RIGHT, next_try_at=in_seconds(after if number > 3 else 10))


@pytest.mark.parametrize("command", ["check", "sync"])
def test_what_will_not_be_tried_again_meanwhile_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    gateway(monkeypatch, in_vain(3600))
    begun = time.monotonic()
    assert main.run(["redcap", command, "--timeout", "600"]) == Code.FAILED
    assert time.monotonic() - begun < 60
    said = capsys.readouterr().err
    assert said.count(f"ABCD-study: {NO_RIGHT}") == 1
    assert "has to be put right first" in said


def test_what_was_compared_and_cannot_be_written_is_said_and_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = {"compared": "mine", "comparing": False}
    gateway(monkeypatch, lambda _: target(problem=NO_RIGHT, next_try_at=in_seconds(10), **done))
    assert main.run(["redcap", "check"]) == Code.FAILED
    shown = capsys.readouterr()
    assert "no differences" in shown.out + shown.err
    assert f"ABCD-study: {NO_RIGHT}" in shown.err


def test_a_problem_of_before_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway(monkeypatch, lambda _: target(problem="REDCap answers 503", compared="mine", comparing=False))
    assert main.run(["redcap", "check"]) == Code.DONE


def test_what_is_owed_and_refused_ends_the_waiting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = {"compared": "mine", "comparing": False}
    gateway(monkeypatch, lambda number: in_vain(3600)(number) | done)
    assert main.run(["redcap", "sync"]) == Code.FAILED
    assert NO_RIGHT in capsys.readouterr().err
