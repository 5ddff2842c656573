"""Signing in through a browser: it comes back to a port of this machine, with a code that only we can use."""

import secrets
import webbrowser
from base64 import urlsafe_b64encode
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from cli.failure import Code, Failure

SECONDS: Final = 300.0
"""How long somebody may take at the provider."""

PAGE: Final = b"<!doctype html><title>FIONA</title><p>You are signed in. This page can be closed."


class Loopback(HTTPServer):
    """Listens on 127.0.0.1 alone, until a code has come."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.code = ""
        self.late = False
        self.verifier = secrets.token_urlsafe(48)

    def handle_timeout(self) -> None:
        """Nobody has come."""
        self.late = True

    @property
    def query(self) -> str:
        """What tells the gateway where we are, and whose the code is to be."""
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        return urlencode({"port": self.server_port, "challenge": challenge})

    def wait(self, seconds: float = SECONDS) -> str:
        """The code; Failure when none comes."""
        self.timeout = seconds
        while not self.code:
            self.handle_request()
            if self.late:
                raise Failure("nobody has come back from the browser", Code.DENIED)
        return self.code


class _Answer(BaseHTTPRequestHandler):
    server: Loopback

    def do_GET(self) -> None:
        """One page, whatever is asked for; only what brings a code ends the waiting."""
        code = parse_qs(urlsplit(self.path).query).get("code", [""])[0]
        self.server.code = code
        self.send_response(200 if code else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE) if code else 0))
        self.end_headers()
        if code:
            self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """The code is in the address: nothing of it is written down."""


def show(address: str) -> None:
    """In a browser, where there is one. One that runs in the terminal ends only after it has come back to us."""
    Thread(target=webbrowser.open, args=(address,), daemon=True).start()
