"""Recognising a request: by a bearer token or a session's cookie; what is presented and not good is said so."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from services.api.actor import NOBODY, Actor
from services.api.people.actors import actor_of, limited
from services.api.people.secrets import SESSION, csrf_token, digest, same
from services.api.problems import Problem
from services.api.settings import ApiSettings, is_loopback
from shared.database import Database
from shared.tables import Account, ApiToken, WebSession
from shared.tables.base import now

CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="fiona"'}
REFUSED: Final = {"WWW-Authenticate": 'Bearer realm="fiona", error="invalid_token"'}
CSRF: Final = "x-csrf-token"
SAFE: Final = ("GET", "HEAD", "OPTIONS")
SEEN: Final = timedelta(minutes=1)
"""How exactly it is noted when a session or token was last used."""


@dataclass(frozen=True)
class Recognised:
    """Who asks, and by what they were recognised."""

    actor: Actor = NOBODY
    session: str | None = None
    """Its digest."""
    token: str | None = None
    """Its id."""
    csrf: str | None = None
    """What a page has to say with it."""
    expires_at: datetime | None = None
    stale: bool = False
    """Whether it is to be noted that it was used."""


def secure(request: Request) -> bool:
    """Whether cookies go over TLS only: always, but for a name of this machine itself."""
    settings: ApiSettings = request.app.state.settings
    return settings.speaks_tls or not is_loopback(request.url.hostname or "")


def cookie_name(request: Request) -> str:
    """`__Host-`: set by this very host, over TLS, for all of it; a browser takes it no other way."""
    return "__Host-fiona" if secure(request) else "fiona"


def presented(request: Request) -> tuple[str, bool] | None:
    """The secret, and whether it came as a cookie; a problem when it came in a way that is not known here."""
    said = request.headers.get("authorization")
    if said is not None:
        kind, _, secret = said.partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            raise Problem("not-signed-in", "Authorization: Bearer …", headers=REFUSED)
        return secret.strip(), False
    cookie = request.cookies.get(cookie_name(request))
    return (cookie, True) if cookie else None


async def recognise(request: Request, session: AsyncSession) -> Recognised:
    """Whoever asks, NOBODY when nothing was presented; a problem when it is not good, or a page lacks its proof."""
    found = presented(request)
    if found is None:
        return Recognised()
    secret, by_cookie = found
    settings: ApiSettings = request.app.state.settings
    known = await (
        _by_session(session, secret, by_cookie, settings)
        if by_cookie or secret.startswith(SESSION)
        else _by_token(session, secret, settings)
    )
    if known is None:
        raise Problem("not-signed-in", "it has ended, or never was" if by_cookie else None, headers=REFUSED)
    if by_cookie and request.method not in SAFE and not same(request.headers.get(CSRF), csrf_token(secret)):
        raise Problem("csrf-token-missing")
    return known


async def _by_session(session: AsyncSession, secret: str, by_cookie: bool, settings: ApiSettings) -> Recognised | None:
    query = select(WebSession, Account).join(Account, Account.login == WebSession.account)
    row = (await session.execute(query.where(WebSession.digest == digest(secret), ~Account.disabled))).first()
    moment = now()
    if row is None or row[0].expires_at <= moment:
        return None
    if row[0].seen_at + timedelta(seconds=settings.session_idle_seconds) <= moment:
        return None
    actor = await actor_of(session, row[1])
    stale = row[0].seen_at + SEEN <= moment
    csrf = csrf_token(secret) if by_cookie else None
    return Recognised(actor, session=row[0].digest, csrf=csrf, expires_at=row[0].expires_at, stale=stale)


async def _by_token(session: AsyncSession, secret: str, settings: ApiSettings) -> Recognised | None:
    query = select(ApiToken, Account).join(Account, Account.login == ApiToken.account)
    row = (await session.execute(query.where(ApiToken.digest == digest(secret), ~Account.disabled))).first()
    moment = now()
    if row is None or row[0].expires_at <= moment or row[0].revoked_at is not None:
        return None
    if row[1].origin == "oidc" and not _vouched_lately(row[1], settings):
        raise Problem("not-signed-in", "whoever owns the token has to sign in at the provider again", headers=REFUSED)
    actor = limited(await actor_of(session, row[1]), row[0])
    stale = row[0].used_at is None or row[0].used_at + SEEN <= moment
    return Recognised(actor, token=row[0].id, expires_at=row[0].expires_at, stale=stale)


def _vouched_lately(account: Account, settings: ApiSettings) -> bool:
    """Whether the provider's word of what somebody may is not too old: it cannot be asked but by signing in."""
    at = account.signed_in_at
    return at is not None and at + timedelta(days=settings.provider_days) > now()


def _known(request: Request) -> Recognised:
    known: Recognised = request.state.recognised
    return known


Known = Annotated[Recognised, Depends(_known)]
"""Who asks, and by what they were recognised."""


async def note_use(database: Database, known: Recognised) -> None:
    """Once a minute; two who do so at once do no harm."""
    if not known.stale:
        return
    async with database.session() as session:
        if known.session is not None:
            await session.execute(update(WebSession).where(WebSession.digest == known.session).values(seen_at=now()))
        else:
            await session.execute(update(ApiToken).where(ApiToken.id == known.token).values(used_at=now()))
