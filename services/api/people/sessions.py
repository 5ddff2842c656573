"""Sessions: begun by a sign-in, ended by a sign-out, by time, or by what happens to the account."""

from datetime import timedelta

from fastapi import Request, Response
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.people.recognising import cookie_name, secure
from services.api.people.secrets import SESSION, digest, new_secret
from services.api.settings import ApiSettings
from shared.tables import Account, ApiToken, WebSession
from shared.tables.base import now


async def begin(
    session: AsyncSession, account: Account, settings: ApiSettings, refresh: bytes | None = None
) -> tuple[str, WebSession]:
    """A new one: what the client is to hold, and the row; those that are over are cleared away.

    `refresh`: by what the provider is asked again, sealed. A provider that cannot be is believed for a while only.
    """
    secret, moment = new_secret(SESSION), now()
    seconds = settings.session_seconds
    if account.origin == "oidc" and refresh is None:
        seconds = min(seconds, settings.provider_seconds)
    row = WebSession(
        digest=digest(secret),
        account=account.login,
        created_at=moment,
        seen_at=moment,
        expires_at=moment + timedelta(seconds=seconds),
        refresh=refresh,
        vouched_at=moment,
    )
    session.add(row)
    over = select(WebSession.digest).where(WebSession.expires_at <= moment).with_for_update(skip_locked=True)
    await session.execute(delete(WebSession).where(WebSession.digest.in_(over.limit(1000))))
    return secret, row


async def end(session: AsyncSession, kept: str) -> None:
    """This one, by its digest."""
    await session.execute(delete(WebSession).where(WebSession.digest == kept))


async def end_all(session: AsyncSession, login: str, but: str | None = None) -> None:
    """Every session of an account, and every token: whatever made it trustworthy is no more."""
    await session.execute(delete(WebSession).where(WebSession.account == login, WebSession.digest != (but or "")))
    alive = ApiToken.account == login, ApiToken.revoked_at.is_(None)
    await session.execute(update(ApiToken).where(*alive).values(revoked_at=now()))


def set_cookie(request: Request, response: Response, secret: str, settings: ApiSettings) -> None:
    """Out of reach of scripts, of plain HTTP, and of what other sites ask for."""
    response.set_cookie(
        cookie_name(request),
        secret,
        max_age=int(settings.session_seconds),
        path="/",
        secure=secure(request),
        httponly=True,
        samesite="strict",
    )


def clear_cookie(request: Request, response: Response) -> None:
    """The browser forgets it."""
    response.delete_cookie(cookie_name(request), path="/", secure=secure(request), httponly=True, samesite="strict")
