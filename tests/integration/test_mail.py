"""Mails that are owed reach a real server, once, whatever happens; their text does not stay."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from services.registry.clock import Clock
from services.registry.mailer import Mailer
from services.registry.settings import RegistrySettings
from shared.crypto import Vault
from shared.database import Database
from shared.mail import post
from shared.tables import Mail
from tests.components.process import free_port
from tests.components.smtp import Inbox, mail_server

VAULT = Vault(b"a master key for tests only")
TO = "kari.olsen@example.org"


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def time() -> Time:
    return Time()


def mailer(database: Database, time: Time, port: int | None, **settings: Any) -> Mailer:
    host = None if port is None else "127.0.0.1"
    values = {"smtp_host": host, "smtp_port": port or 1, "smtp_tls": "none", "smtp_seconds": 30} | settings
    return Mailer(database, VAULT, RegistrySettings(**values), Clock(time.now))


async def owe(database: Database, *subjects: str) -> None:
    async with database.session() as session:
        for subject in subjects:
            await post(session, VAULT, TO, subject, f"Kjære Kari,\n\n{subject} på fredag.\n")


async def rows(database: Database) -> list[Mail]:
    async with database.reading() as session:
        return list(await session.scalars(select(Mail).order_by(Mail.created_at)))


async def test_a_mail_of_a_clock_that_was_ahead_is_sent_at_once(database: Database, time: Time) -> None:
    inbox = Inbox()
    await owe(database, "of then")
    time.at -= timedelta(hours=2)
    with mail_server(inbox) as port:
        assert await mailer(database, time, port).send_due() == 1


async def test_a_mail_is_sent_once_and_its_text_is_forgotten(database: Database, time: Time) -> None:
    inbox = Inbox()
    await owe(database, "Møte", "Nok et møte")
    [owed, _] = await rows(database)
    assert not any(word in owed.recipient + (owed.text or b"") for word in (b"kari", b"Kari"))
    time.at += timedelta(seconds=1)
    with mail_server(inbox) as port:
        assert await mailer(database, time, port).send_due() == 2
        assert await mailer(database, time, port).send_due() == 0
    first, second = inbox.mails
    assert (first["To"], first["Subject"], second["Subject"]) == (TO, "Møte", "Nok et møte")
    assert first.get_content().replace("\r\n", "\n") == "Kjære Kari,\n\nMøte på fredag.\n"
    assert first["Message-ID"] == f"<{owed.id}@localhost>"
    assert [(row.state, row.text, row.tries) for row in await rows(database)] == [("sent", None, 1)] * 2


async def test_what_cannot_be_sent_waits(database: Database, time: Time) -> None:
    inbox = Inbox()
    await owe(database, "Later")
    time.at += timedelta(seconds=1)
    assert await mailer(database, time, None).send_due() == 0
    assert [row.tries for row in await rows(database)] == [0], "nobody to send it to is no try"

    assert await mailer(database, time, free_port()).send_due() == 0
    [row] = await rows(database)
    assert (row.state, row.error, row.tries) == ("waiting", "SMTPConnectError", 1)
    with mail_server(inbox) as port:
        sender = mailer(database, time, port)
        assert await sender.send_due() == 0, "it rests first"
        inbox.text = "451 come again"
        time.at += timedelta(minutes=1)
        assert await sender.send_due() == 0
        assert [row.error for row in await rows(database)] == ["the server answers 451"]
        inbox.text, inbox.to = None, f"450 no room for {TO}"
        time.at += timedelta(minutes=5)
        assert await sender.send_due() == 0
        assert [row.error for row in await rows(database)] == ["the server answers 450"]
        inbox.to = None
        time.at += timedelta(minutes=15)
        assert await sender.send_due() == 1
    [row] = await rows(database)
    assert (row.state, row.error, row.tries) == ("sent", None, 4)


async def test_a_refused_mail_is_shown_and_not_tried_again(database: Database, time: Time) -> None:
    inbox = Inbox()
    inbox.to = f"550 {TO} is unknown here"
    await owe(database, "To nobody")
    time.at += timedelta(days=1)
    with mail_server(inbox) as port:
        sender = mailer(database, time, port)
        assert await sender.send_due() == 0
        time.at += timedelta(days=1)
        assert await sender.send_due() == 0
    [row] = await rows(database)
    assert (row.state, row.error, row.tries) == ("refused", "the server answers 550", 1)
    assert VAULT.decrypt(row.text or b"").startswith("Kjære")


async def test_a_mail_that_was_in_the_hand_of_the_dead_is_taken_up(database: Database, time: Time) -> None:
    inbox = Inbox()
    await owe(database, "Once more")
    time.at += timedelta(seconds=1)
    with mail_server(inbox) as port:
        dead, alive = mailer(database, time, port), mailer(database, time, port)
        assert len(await dead._taken()) == 1
        assert await alive.send_due() == 0, "somebody has it in hand"
        time.at += timedelta(minutes=10)
        assert await alive.send_due() == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for loopback that signs itself, and its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    made = ("-keyout", "key.pem", "-out", "certificate.pem", "-days", "2")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made, *names]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "certificate.pem"


async def test_with_tls_and_a_password(sqlite: Database, time: Time, certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, certificate.with_name("key.pem"))
    inbox = Inbox()
    await owe(sqlite, "Secret")
    time.at += timedelta(seconds=1)
    settings = {"smtp_tls": "starttls", "smtp_user": "fiona", "smtp_from": "fiona@example.org"}
    with mail_server(inbox, tls, ("fiona", "right")) as port:
        wrong = mailer(sqlite, time, port, **settings, smtp_ca=certificate, smtp_password=SecretStr("wrong"))
        assert await wrong.send_due() == 0
        assert [row.error for row in await rows(sqlite)] == ["SMTPAuthenticationError 535"]
        time.at += timedelta(hours=1)
        strange = mailer(sqlite, time, port, **settings, smtp_password=SecretStr("right"))
        assert await strange.send_due() == 0, "nobody vouches for that server"
        time.at += timedelta(hours=1)
        right = mailer(sqlite, time, port, **settings, smtp_ca=certificate, smtp_password=SecretStr("right"))
        assert await right.send_due() == 1
    [mail] = inbox.mails
    assert mail["Message-ID"].endswith("@example.org>")


def test_no_password_without_tls() -> None:
    with pytest.raises(ValidationError, match="without TLS"):
        RegistrySettings(smtp_tls="none", smtp_password=SecretStr("x"))


@pytest.mark.parametrize(("to", "subject"), [("no address", "x"), ("a@b\nBcc: c@d", "x"), (TO, "two\nlines")])
async def test_what_is_no_mail(sqlite: Database, to: str, subject: str) -> None:
    async with sqlite.session() as session:
        with pytest.raises(ValueError, match=r"address|line") as caught:
            await post(session, VAULT, to, subject, "text")
    assert to not in str(caught.value)
