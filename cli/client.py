"""The gateway's REST interface: answers as plain JSON, problems as Failures."""

import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from cli import logins
from cli.failure import Code, Failure

DEFAULT = "http://127.0.0.1:8080"
PAGE = 1000
UNDER_WAY_SECONDS = 30
SILENCE = 45.0
"""Seconds after which a stream is broken in which nothing is said: there is a comment every 15."""

BROKEN = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""What a connection that breaks looks like: the request may have been handled, or not."""

UPLOAD_SECONDS = 900
Item = dict[str, Any]
Answer = TypeVar("Answer")

CODES: dict[int, Code] = {
    401: Code.DENIED,
    403: Code.DENIED,
    404: Code.NOT_FOUND,
    409: Code.CONFLICT,
    412: Code.CONFLICT,
    502: Code.UNREACHABLE,
    503: Code.UNREACHABLE,
    504: Code.UNREACHABLE,
}
"""HTTP status -> exit code; any other error is 1."""


def address() -> str:
    """Where the gateway is: FIONA_API."""
    return os.environ.get("FIONA_API", "").rstrip("/") or DEFAULT


def _trusted(base: str) -> ssl.SSLContext | bool:
    """Who may have signed the gateway's certificate: those in FIONA_API_CA, else the well-known authorities."""
    if not (path := os.environ.get("FIONA_API_CA")):
        # Without TLS nobody is asked, and to read the well-known ones takes longer than most commands.
        return base.startswith("https:") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise Failure(f"FIONA_API_CA cannot be read: {path}", Code.USAGE) from error


class Client:
    """One connection to the gateway; every method raises Failure.

    Proxies of the environment are not used: what is asked here may name patients.
    """

    def __init__(
        self, base: str | None = None, transport: httpx.BaseTransport | None = None, token: str | None = None
    ) -> None:
        self.base = base or address()
        said = token or logins.token(self.base)
        try:
            self._http = httpx.Client(
                base_url=self.base,
                headers={"Authorization": f"Bearer {said}"} if said else {},
                transport=transport,
                timeout=60,
                verify=_trusted(self.base),
                trust_env=False,
                follow_redirects=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise Failure(f"FIONA_API is not an address: {self.base}", Code.USAGE) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, /, **params: Any) -> Any:
        """GET below /api/v1; parameters that are None are left out."""
        return self._json(self._send("GET", f"/api/v1{path}", params=params))

    def marked(self, path: str) -> tuple[Any, str]:
        """GET of something that people replace: what it is, and the ETag that replacing it takes."""
        answer = self._send("GET", f"/api/v1{path}")
        return self._json(answer), answer.headers.get("etag", "")

    def content(self, path: str) -> bytes:
        """GET of a picture, or of anything else that is to become a file."""
        return self._send("GET", f"/api/v1{path}").content

    def download(self, path: str, to: Path, **params: Any) -> int:
        """GET of what may be long, into a new file; its size. What was not whole is not left behind."""
        try:
            with open(to, "xb", opener=_for_me_only) as file:
                try:
                    self._stream(path, params, file)
                except BaseException:
                    to.unlink()
                    raise
                return file.tell()
        except OSError as error:
            raise Failure(f"{to} cannot be written: {error.strerror}", Code.USAGE) from error

    def _stream(self, path: str, params: Mapping[str, Any], file: BinaryIO) -> None:
        given = {key: value for key, value in params.items() if value is not None}
        try:
            with self._http.stream("GET", f"/api/v1{path}", params=given) as answer:
                if not answer.is_success:
                    answer.read()
                    raise Failure(problem(answer), CODES.get(answer.status_code, Code.FAILED))
                for chunk in answer.iter_bytes():
                    file.write(chunk)
        except httpx.TransportError as error:
            raise Failure(f"no gateway at {self.base}, or it stopped answering", Code.UNREACHABLE) from error

    @contextmanager
    def lines(self, path: str, headers: Mapping[str, str]) -> Iterator[Iterator[str]]:
        """GET of a stream, line by line as it comes; httpx.TransportError when it breaks."""
        patience = httpx.Timeout(60, read=SILENCE)
        with self._http.stream("GET", f"/api/v1{path}", headers=headers, timeout=patience) as answer:
            if not answer.is_success:
                answer.read()
                raise Failure(problem(answer), CODES.get(answer.status_code, Code.FAILED))
            yield answer.iter_lines()

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        replaces: str | None = None,
        null: Sequence[str] = (),
        **params: Any,
    ) -> Any:
        """POST below /api/v1; what is None in the body is left out, but for what `null` names.

        `replaces`: the ETag of what is replaced.
        """
        content = _content(body, replaces)
        content["json"] |= dict.fromkeys(null)
        return self._json(self._send("POST", f"/api/v1{path}", params=params, **content))

    def upload(self, path: str, file: bytes, **params: Any) -> Any:
        """POST of a CSV file, which may take its time."""
        headers = {"Content-Type": "text/csv"}
        sent = self._send(
            "POST", f"/api/v1{path}", params=params, content=file, headers=headers, timeout=UPLOAD_SECONDS
        )
        return self._json(sent)

    def put(self, path: str, body: Mapping[str, Any], replaces: str | None = None) -> Any:
        """PUT below /api/v1."""
        return self._json(self._send("PUT", f"/api/v1{path}", **_content(body, replaces)))

    def patch(self, path: str, body: Mapping[str, Any], null: Sequence[str] = ()) -> Any:
        """PATCH below /api/v1 of what is there now; a conflict when somebody is faster.

        What is None in the body is left out; `null` names what is to become null.
        """
        _, etag = self.marked(path)
        content = _content(body, etag)
        content["json"] |= dict.fromkeys(null)
        return self._json(self._send("PATCH", f"/api/v1{path}", **content))

    def delete(self, path: str) -> Any:
        """DELETE below /api/v1, whatever it is by now; what it answers, if anything."""
        return self._json(self._send("DELETE", f"/api/v1{path}", headers={"If-Match": "*"}))

    def items(self, path: str, /, body: Mapping[str, Any] | None = None, **params: Any) -> Iterator[Item]:
        """Every item of a list, page by page; with a body it is a search (POST)."""
        offset = 0
        while True:
            paging = {**params, "limit": PAGE, "offset": offset}
            page = self.get(path, **paging) if body is None else self.post(path, body, **paging)
            yield from page["items"]
            offset += len(page["items"])
            if not page["items"] or offset >= page["total"]:
                return

    def ready(self) -> tuple[bool, Any]:
        """What /readyz says: whether all is well, and the details."""
        answer = self._request("GET", "/readyz")
        try:
            details = answer.json()
        except ValueError:
            details = answer.text
        return answer.is_success, details

    def _json(self, answer: httpx.Response) -> Any:
        if answer.status_code == httpx.codes.NO_CONTENT:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise Failure(f"what answers at {self.base} is no gateway: its answer is not JSON") from error

    def _repeated(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """A request that is harmless to repeat, a POST by its key: when its connection breaks, asked once more."""
        named = {**(headers or {}), **({"Idempotency-Key": str(uuid4())} if method == "POST" else {})}

        def ask() -> httpx.Response:
            return self._http.request(method, path, headers=named, **more)

        try:
            return ask()
        except BROKEN:
            answer = ask()
        for _ in range(UNDER_WAY_SECONDS):
            if not _is_under_way(answer):
                break
            time.sleep(1)
            answer = ask()
        return answer

    def _send(self, method: str, path: str, params: Mapping[str, Any] | None = None, **more: Any) -> httpx.Response:
        given = {key: value for key, value in (params or {}).items() if value is not None}
        answer = self._request(method, path, params=given, **more)
        if answer.status_code == httpx.codes.UNAUTHORIZED and path != "/api/v1/session":
            raise Failure(f"{problem(answer)}: `fiona login`, or FIONA_TOKEN", Code.DENIED)
        if not answer.is_success:
            raise Failure(problem(answer), CODES.get(answer.status_code, Code.FAILED))
        return answer

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            if method in ("GET", "POST"):
                return self._repeated(method, path, **more)
            return self._http.request(method, path, **more)
        except httpx.UnsupportedProtocol as error:
            raise Failure(f"FIONA_API is not an address: {self.base}", Code.USAGE) from error
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Failure(f"no gateway at {self.base} ({reason}); is `fiona up` running?", Code.UNREACHABLE) from error


def _is_under_way(answer: httpx.Response) -> bool:
    """Whether the first request with the same key, whose connection broke, is still being handled."""
    return answer.status_code == 409 and b"urn:fiona:problem:key-in-use" in answer.content


def _for_me_only(path: str, flags: int) -> int:
    """What the gateway tells may name people."""
    return os.open(path, flags, 0o600)


def _content(body: Mapping[str, Any] | None, replaces: str | None = None) -> dict[str, Any]:
    content = {key: value for key, value in (body or {}).items() if value is not None}
    return {"json": content, "headers": {"If-Match": replaces} if replaces else {}}


def problem(answer: httpx.Response) -> str:
    """The one line that a problem+json (RFC 9457) comes to."""
    try:
        said = answer.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return f"the gateway answered {answer.status_code} {answer.reason_phrase}".strip()
    detail = said.get("detail")
    line = detail if isinstance(detail, str) and detail else said.get("title") or f"HTTP {answer.status_code}"
    errors = said.get("errors")
    if isinstance(errors, list) and errors:
        line = f"{line}: {'; '.join(map(_one_error, errors))}"
    return " ".join(str(line).split())


def _one_error(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    place = error.get("loc") or error.get("field") or error.get("pointer") or ""
    if isinstance(place, list):
        place = ".".join(str(part) for part in place if part != "body")
    said = error.get("msg") or error.get("detail") or error.get("message") or "invalid"
    return f"{place}: {said}" if place else str(said)


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def wait(ask: Callable[[], Answer | None], seconds: float, every: float = 0.2) -> Answer | None:
    """What `ask` says as soon as it says something; None after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        said = ask()
        if said is not None or time.monotonic() > until:
            return said
        time.sleep(every)
