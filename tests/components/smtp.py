"""A real mail server (aiosmtpd) that keeps what it is given, and can be told to be difficult."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.components.process import LOOPBACK, free_port


class Inbox:
    """What has come, and the answer that is given to a recipient or to the text, if not yes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to: str | None = None
        self.text: str | None = None

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.to is not None:
            return self.to
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.text is not None:
            return self.text
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@contextmanager
def mail_server(inbox: Inbox, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> Iterator[int]:
    """A server on loopback; its port. With `tls` it insists on STARTTLS, with `login` on those two words."""

    def authenticated(*arguments: Any) -> AuthResult:
        said: LoginPassword = arguments[-1]
        known = login is not None and (said.login.decode(), said.password.decode()) == login
        return AuthResult(success=known, handled=False)

    options: dict[str, Any] = {"tls_context": tls, "require_starttls": tls is not None}
    if login is not None:
        options |= {"authenticator": authenticated, "auth_required": True}
    controller = Controller(inbox, hostname=LOOPBACK, port=free_port(), ready_timeout=60, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
