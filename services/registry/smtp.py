"""Handing a mail to a server: it was taken, it is refused for good, or it can be tried again."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage

import aiosmtplib

from services.registry.settings import RegistrySettings


class Later(Exception):
    """Not now: the server is away, busy or does not know us; the text is free of addresses."""


class Refused(Exception):
    """Never: the server does not take this mail; the text is free of addresses."""


@dataclass(frozen=True)
class Letter:
    """A mail as it is written."""

    id: str
    recipient: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    written_at: datetime

    def message(self, sender: str) -> EmailMessage:
        """With a Message-ID of its own for ever: who gets it twice can tell."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, self.recipient, self.subject
        message["Date"] = self.written_at
        message["Message-ID"] = f"<{self.id}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self.text)
        return message


class Server:
    """An open connection to the mail server."""

    def __init__(self, client: aiosmtplib.SMTP, sender: str) -> None:
        self._client = client
        self._sender = sender

    async def send(self, letter: Letter) -> None:
        """Return when the server has taken it; Later or Refused otherwise."""
        try:
            await self._client.send_message(letter.message(self._sender), sender=self._sender)
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = {each.code for each in error.recipients}
            raise (Refused if min(codes) >= 500 else Later)(f"the server answers {min(codes)}") from None
        except aiosmtplib.SMTPDataError as error:
            raise (Refused if error.code >= 500 else Later)(f"the server answers {error.code}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Later(_said(error)) from None


@asynccontextmanager
async def connected(settings: RegistrySettings) -> AsyncIterator[Server]:
    """A server that has let us in; Later when there is none."""
    password = settings.smtp_password.get_secret_value() if settings.smtp_password is not None else None
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_user,
        password=password,
        timeout=settings.smtp_seconds,
        use_tls=settings.smtp_tls == "tls",
        start_tls=settings.smtp_tls == "starttls",
        tls_context=None if settings.smtp_tls == "none" else ssl.create_default_context(cafile=settings.smtp_ca),
    )
    try:
        await client.connect()
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        raise Later(_said(error)) from None
    try:
        yield Server(client, settings.smtp_from)
    finally:
        try:
            await client.quit()
        except (aiosmtplib.SMTPException, OSError):
            client.close()


def _said(error: Exception) -> str:
    """The kind of trouble and the server's number, not its words: it likes to quote addresses."""
    code = getattr(error, "code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
