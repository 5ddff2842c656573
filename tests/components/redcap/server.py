"""The API on a port of loopback, in threads; it can be away, slow, closed for maintenance, or fail in the middle."""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl

from tests.components.redcap.answers import answer, parsed
from tests.components.redcap.project import ApiError, Project

PAGE = b"<!DOCTYPE html><html><body><h3>REDCap is currently offline for maintenance.</h3></body></html>"


class RedcapServer:
    """Projects by token. `mode` is one of ok, away, busy, maintenance, half (of an import, then away), lost (an import
    is done, then away) and hold. `fails_at`: a word in an import at which it fails; `at_once`: the bytes it takes."""

    def __init__(self, *projects: Project, tls: ssl.SSLContext | None = None) -> None:
        self.projects = {project.token: project for project in projects}
        self.mode = "ok"
        self.fails_at = ""
        self.at_once = 0
        self.asked = 0
        self.calls: list[str] = []
        self.imports: list[int] = []
        self.held = threading.Event()
        self.let_go = threading.Event()
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            """Every POST is the API's."""

            def do_POST(self) -> None:
                server.reply(self)

            def do_GET(self) -> None:
                self.send_error(405)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        scheme = "https" if tls is not None else "http"
        self.url = f"{scheme}://127.0.0.1:{self._http.server_port}/api/"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def add(self, project: Project) -> None:
        """Another project."""
        self.projects[project.token] = project

    def reply(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        self.asked += 1
        body = request.rfile.read(int(request.headers.get("Content-Length", 0))).decode()
        form = dict(parse_qsl(body, keep_blank_values=True))
        faults: dict[str, Callable[[], None]] = {
            "away": lambda: self._hang_up(request),
            "busy": lambda: _send(request, 503, b"{}"),
            "maintenance": lambda: _send(request, 200, PAGE, "text/html"),
        }
        if self.at_once and len(body) > self.at_once:
            _send(request, 413, b"<html>Request Entity Too Large</html>", "text/html")
            return
        if self.fails_at and self.fails_at in form.get("data", ""):
            _send(request, 500, b"", "text/html")
            return
        if self.mode in faults:
            faults[self.mode]()
        elif self.mode == "half" and form.get("content") == "record" and "data" in form:
            self._half(form)
            self._hang_up(request)
        elif self.mode == "lost" and "data" in form:
            self._answer(form)
            self._hang_up(request)
        else:
            status, content = self._answer(form)
            if self.mode == "hold" and "data" in form:
                self.held.set()
                self.let_go.wait(300)
            _send(request, status, content)

    def _answer(self, form: dict[str, str]) -> tuple[int, bytes]:
        with self.lock:
            try:
                kind, said = answer(self.projects, form)
            except ApiError as error:
                return error.status, json.dumps({"error": error.message}).encode()
            self.calls.append(kind)
            if kind == "record.import":
                self.imports.append(len(json.loads(form["data"])))
            return 200, said.encode() if isinstance(said, str) else json.dumps(said).encode()

    def _half(self, form: dict[str, str]) -> None:
        with self.lock:
            project = self.projects[form["token"]]
            changes = parsed(project, form)
            project.apply(changes[: max(1, len(changes) // 2)])

    @staticmethod
    def _hang_up(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.connection.close()


def _send(request: BaseHTTPRequestHandler, status: int, content: bytes, kind: str = "application/json") -> None:
    try:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
    except OSError:
        request.close_connection = True
