"""Answers of the gateway become items, or one line and an exit code."""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from cli import logins
from cli.client import DEFAULT, PAGE, Client, problem, segment
from cli.failure import Code, Failure
from tests.components.certificates import Authority

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler) -> Client:
    return Client("http://gateway", transport=httpx.MockTransport(handler))


def answering(status: int, body: object = None, media: str = "application/problem+json") -> Client:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body, headers={"content-type": media})

    return client(handler)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Code.FAILED),
        (403, Code.DENIED),
        (404, Code.NOT_FOUND),
        (409, Code.CONFLICT),
        (412, Code.CONFLICT),
        (422, Code.FAILED),
        (500, Code.FAILED),
        (503, Code.UNREACHABLE),
    ],
)
def test_a_status_is_an_exit_code(status: int, code: Code) -> None:
    with answering(status, {"title": "No", "detail": "because"}) as gateway, pytest.raises(Failure) as failed:
        gateway.get("/studies")
    assert (failed.value.code, failed.value.message) == (code, "because")


def test_nobody_there() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    with client(refuse) as gateway, pytest.raises(Failure, match="no gateway at http://gateway") as failed:
        gateway.get("/counts")
    assert failed.value.code is Code.UNREACHABLE


@pytest.mark.parametrize("address", ["gateway:8080", "ftp://gateway", "http://[::1"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(Failure, match="not an address") as failed, Client(address) as gateway:
        gateway.get("/counts")
    assert failed.value.code is Code.USAGE


def test_something_else_answers() -> None:
    def page(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="<html>")

    with client(page) as gateway, pytest.raises(Failure, match="no gateway"):
        gateway.get("/counts")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"title": "There is no such study", "status": 404}, "There is no such study"),
        ({"title": "No", "detail": "two\nlines"}, "two lines"),
        (
            {
                "title": "Not valid",
                "errors": [{"loc": ["body", "name"], "msg": "too short"}, {"msg": "and so on"}],
            },
            "Not valid: name: too short; and so on",
        ),
        ([], "the gateway answered 500 Internal Server Error"),
    ],
)
def test_a_problem_is_one_line(body: object, line: str) -> None:
    assert problem(httpx.Response(500, json=body)) == line


def test_a_list_is_read_to_its_end() -> None:
    asked: list[tuple[str, str]] = []
    everything = [{"id": number} for number in range(2 * PAGE + 1)]

    def page(request: httpx.Request) -> httpx.Response:
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        asked.append((request.method, request.url.params.get("state", "")))
        return httpx.Response(200, json={"items": everything[offset : offset + limit], "total": len(everything)})

    with client(page) as gateway:
        assert list(gateway.items("/studies", state="all", project=None)) == everything
    assert asked == [("GET", "all")] * 3


def test_a_search_by_identity_stays_out_of_the_url() -> None:
    urls: list[str] = []

    def page(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        assert b"ID-17" in request.content
        assert b"days" not in request.content
        return httpx.Response(200, json={"items": [], "total": 0})

    with client(page) as gateway:
        assert list(gateway.items("/studies/search", body={"patient_id": "ID-17", "days": None})) == []
    assert urls
    assert not any("ID-17" in url for url in urls)


def test_nothing_is_an_answer_too() -> None:
    with client(lambda request: httpx.Response(204)) as gateway:
        assert gateway.post("/dead/x/replay") is None
        gateway.delete("/dead/x")


def test_a_name_is_one_segment() -> None:
    assert segment("a/../b?c") == "a%2F..%2Fb%3Fc"


def test_who_has_a_token_presents_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str | None] = []

    def listen(request: httpx.Request) -> httpx.Response:
        said.append(request.headers.get("authorization"))
        return httpx.Response(200, json={})

    def ask() -> None:
        with client(listen) as gateway:
            gateway.get("/counts")

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("FIONA_TOKEN", raising=False)
    monkeypatch.delenv("FIONA_TOKEN_FILE", raising=False)
    ask()
    logins.save("http://somewhere.else", "for another gateway")
    logins.save("http://gateway", "saved by fiona login")
    ask()
    file = tmp_path / "token"
    file.write_text("from a file\n")
    monkeypatch.setenv("FIONA_TOKEN_FILE", str(file))
    ask()
    monkeypatch.setenv("FIONA_TOKEN", "from the environment")
    ask()
    assert said == [None, "Bearer saved by fiona login", "Bearer from a file", "Bearer from the environment"]
    monkeypatch.delenv("FIONA_TOKEN")
    file.unlink()
    with pytest.raises(Failure, match="FIONA_TOKEN_FILE") as failed:
        ask()
    assert failed.value.code is Code.USAGE


def test_a_saved_login_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    logins.save(DEFAULT, "secret")
    file = tmp_path / "fiona" / "logins.json"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(Failure, match="can be read by others"):
        logins.token(DEFAULT)
    file.chmod(0o600)
    file.write_text("{")
    with pytest.raises(Failure, match="cannot be read"):
        logins.token(DEFAULT)
    file.write_text("{}")
    logins.save(DEFAULT, None)
    assert logins.token(DEFAULT) is None


def test_what_is_replaced_is_named() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"version": 3}, headers={"etag": '"3"'})
        assert request.headers["if-match"] == '"3"'
        assert json.loads(request.content) == {"content": "x"}
        return httpx.Response(201, json={"version": 4})

    with client(answer) as gateway:
        shown, etag = gateway.marked("/projects/P/profile")
        assert shown == {"version": 3}
        assert gateway.put("/projects/P/profile", {"content": "x", "author": None}, replaces=etag) == {"version": 4}
        assert gateway.post("/accept", {"content": "x"}, replaces=etag) == {"version": 4}


def test_a_post_whose_connection_breaks_is_asked_once_more_by_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    answers: list[httpx.Response | Exception] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        said = answers.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr("time.sleep", lambda _: None)
    broken = httpx.RemoteProtocolError("Server disconnected without sending a response.")
    busy = httpx.Response(409, json={"type": "urn:fiona:problem:key-in-use"})
    with client(handler) as gateway:
        answers[:] = [broken, busy, httpx.Response(201, json={"id": "x"})]
        assert gateway.post("/rules", {"project": "P"}) == {"id": "x"}
        assert len(keys) == 3
        assert len(set(keys)) == 1
        answers[:] = [httpx.Response(201, json={})]
        gateway.post("/rules", {"project": "P"})
        assert len(set(keys)) == 2, "another request, another key"
        answers[:] = [broken, broken]
        with pytest.raises(Failure) as failed:
            gateway.post("/rules", {"project": "P"})
    assert failed.value.code is Code.UNREACHABLE


class Answers(BaseHTTPRequestHandler):
    """A gateway with one thing to say."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"said": "hello"}')

    def log_message(self, *_: object) -> None:
        pass


def test_a_gateway_that_an_authority_of_ones_own_has_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, strange = Authority(tmp_path / "ours"), Authority(tmp_path / "strange", "stranger")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*ours.sign("api"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"https://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("FIONA_API_CA", str(ours.ca))
        with Client(base) as gateway:
            assert gateway.get("/x") == {"said": "hello"}
        for wrong in (str(strange.ca), ""):
            monkeypatch.setenv("FIONA_API_CA", wrong)
            with pytest.raises(Failure, match="CERTIFICATE_VERIFY_FAILED"), Client(base) as gateway:
                gateway.get("/x")
        server.shutdown()
    monkeypatch.setenv("FIONA_API_CA", str(tmp_path / "not there"))
    with pytest.raises(Failure, match="FIONA_API_CA cannot be read"):
        Client(base)
