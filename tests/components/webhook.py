"""A webhook that keeps what the monitor tells it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


@dataclass
class Hook:
    """A webhook that keeps what it is told, and may be told to refuse."""

    url: str = ""
    status: int = 200
    told: list[dict[str, Any]] = field(default_factory=list)

    def states(self) -> list[tuple[str, str, str]]:
        """What was told since the last time that this was asked."""
        found = [
            (each["check"], each["subject"], each["state"])
            for body in self.told
            for each in body["changes"]
            if each["check"] not in ("disk", "clock")
        ]
        self.told.clear()
        return found


@contextmanager
def webhook() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.status < 300:
                assert self.headers["Authorization"] == "Bearer a secret"
                hook.told.append(said)
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hook
    server.shutdown()
    server.server_close()
    thread.join()
