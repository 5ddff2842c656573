"""The session: signing in and out, who one is, one's own password."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Request, Response
from pydantic import Field, SecretStr

from services.api.actor import Actor, ProjectRole, SystemRole, Who
from services.api.answers import Shape, example
from services.api.needs import Ctx
from services.api.people.accounts import get_account, replace_password
from services.api.people.actors import actor_of
from services.api.people.passwords import LEAST, MOST, refusal
from services.api.people.recognising import Known, Recognised
from services.api.people.resetting import GOOD_FOR, owner, reset, send
from services.api.people.secrets import csrf_token, digest
from services.api.people.sessions import begin, clear_cookie, end, set_cookie
from services.api.people.signing_in import Door, canonical, check_password, count, failures_of
from services.api.people.tallies import forgive
from services.api.problems import FieldError, Problem, documented, invalid
from shared.log import logger
from shared.tables import Account

router = APIRouter(tags=["session"])
log = logger("api")

Said = Annotated[str, Field(min_length=1, max_length=254, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""What somebody calls themselves; it need not be a login."""

Wanted = Annotated[SecretStr, Field(min_length=1, max_length=MOST, json_schema_extra={"minLength": LEAST})]
"""A password that is to be; `checked` says in words why it may not."""

ME = {
    "login": "k.olsen",
    "name": "Kari Olsen",
    "system_roles": [],
    "projects": [{"project": "ABCD-study", "roles": ["data_manager"], "sites": []}],
    "scopes": None,
    "csrf_token": "9f0c…",
    "expires_at": "2026-01-02T20:00:00Z",
}


class Credentials(Shape):
    """Who one says one is."""

    model_config = example(login="k.olsen", password="six words nobody else would think of")  # noqa: S106  an example
    login: Said
    password: SecretStr = Field(min_length=1, max_length=MOST)
    bearer: bool = Field(default=False, description="for programs: the session's secret is answered, no cookie is set")


class RolesIn(Shape):
    """What one is in a project."""

    project: str = Field(description="`*`: in every one")
    roles: list[ProjectRole]
    sites: list[str] = Field(description="data access groups one is bound to; empty: all")


class Me(Shape):
    """Who one is here, and what one may."""

    model_config = example(**ME)
    login: str
    name: str
    system_roles: list[SystemRole]
    projects: list[RolesIn]
    scopes: list[str] | None = Field(description="of the token that was presented; null: signed in")
    csrf_token: str | None = Field(description="said as X-CSRF-Token with whatever changes something; null: a token")
    expires_at: datetime | None


class SignedIn(Me):
    """The same, at the beginning."""

    model_config = example(**ME, token=None)
    token: str | None = Field(description="what a program presents as its bearer token; null: it is in the cookie")


class PasswordChange(Shape):
    """One's own password."""

    model_config = example(old="the one of before", new="six words nobody else would think of")
    old: SecretStr = Field(min_length=1, max_length=MOST)
    new: Wanted


class Forgotten(Shape):
    """Who has forgotten a password."""

    model_config = example(login="k.olsen@example.org")
    login: Said = Field(description="or the mail address")


class Asked(Shape):
    """What happens if there is such an account."""

    model_config = example(minutes=30)
    minutes: int = Field(description="how long the link is good for")


class Reset(Shape):
    """What was mailed, and the password that is wanted."""

    model_config = example(token="fiona_r_…", password="six words nobody else would think of")  # noqa: S106  an example
    token: SecretStr = Field(min_length=1, max_length=100)
    password: Wanted


def checked(password: str, field: str, *about: str) -> str:
    """A password that may be had; a problem that says why it may not."""
    if why := refusal(password, *about):
        raise invalid(FieldError(loc=["body", field], msg=why, type="password"))
    return password


@router.post(
    "/session",
    summary="Sign in",
    responses=documented(
        "wrong-credentials", "no-role", "login-taken", "too-many-attempts", "directory-unavailable", "invalid-request"
    ),
)
async def sign_in(context: Ctx, request: Request, wish: Credentials, response: Response) -> SignedIn:
    """A cookie for a browser, or a secret for a program. What is wrong is not said: neither is whether there is such a
    login."""
    door: Door = request.app.state.door
    account = await check_password(request, context, wish.login, wish.password.get_secret_value())
    async with context.database.session() as session:
        secret, row = await begin(session, account, door.settings)
        actor = await actor_of(session, account)
    request.state.actor = actor
    log.info("signed in")
    if not wish.bearer:
        set_cookie(request, response, secret, door.settings)
    return SignedIn(
        **me_of(account, actor),
        csrf_token=None if wish.bearer else csrf_token(secret),
        expires_at=row.expires_at,
        token=secret if wish.bearer else None,
    )


@router.get("/session", summary="Who one is here")
async def show_session(context: Ctx, who: Who, known: Known) -> Me:
    """With the token that a page needs to change anything."""
    async with context.database.reading() as session:
        account = await get_account(session, who.name)
    return Me(**me_of(account, who), csrf_token=known.csrf, expires_at=known.expires_at)


@router.delete("/session", summary="Sign out", status_code=204)
async def sign_out(context: Ctx, request: Request, known: Known, response: Response) -> None:
    """The session ends here and in the browser; a token stays good."""
    if known.session is not None:
        async with context.database.session() as session:
            await end(session, known.session)
        request.app.state.feed.end("signed-out", known.actor.name)
    clear_cookie(request, response)


@router.post(
    "/session/password",
    summary="Change one's own password",
    status_code=204,
    responses=documented("wrong-credentials", "session-needed", "password-elsewhere", "too-many-attempts"),
)
async def change_password(context: Ctx, request: Request, who: Who, known: Known, wish: PasswordChange) -> None:
    """All other sessions end, and all tokens."""
    needs_session(known)
    async with context.database.reading() as session:
        account = await get_account(session, who.name)
    if account.origin != "local":
        raise Problem("password-elsewhere")
    await check_password(request, context, who.name, wish.old.get_secret_value())
    door: Door = request.app.state.door
    hashed = await door.passwords.hash(checked(wish.new.get_secret_value(), "new", account.login, account.name))
    async with context.database.session() as session:
        await replace_password(session, await get_account(session, who.name), hashed, but=known.session)
    log.info("password changed")


@router.post(
    "/session/password/forgotten",
    summary="Ask for a link to set a new password",
    status_code=202,
    responses=documented("too-many-attempts"),
)
async def ask_for_reset(context: Ctx, request: Request, wish: Forgotten, later: BackgroundTasks) -> Asked:
    """By mail, to whoever has this login or address, if anybody has: the answer is the same, and given before."""
    await count(request, context, "reset", canonical(wish.login))
    door: Door = request.app.state.door

    async def mail() -> None:
        async with context.database.session() as session:
            await send(session, context.vault, wish.login, door.base)

    later.add_task(mail)
    return Asked(minutes=int(GOOD_FOR.total_seconds() // 60))


@router.post(
    "/session/password/reset",
    summary="Set a new password by a link",
    status_code=204,
    responses=documented("link-spent", "too-many-attempts", "invalid-request"),
)
async def reset_password(context: Ctx, request: Request, wish: Reset) -> None:
    """The link is spent by it; all sessions and tokens end, and sign-ins that have failed count no more."""
    door: Door = request.app.state.door
    secret = wish.token.get_secret_value()
    await count(request, context, "link", digest(secret))
    async with context.database.reading() as session:
        account = await owner(session, secret)
    hashed = await door.passwords.hash(
        checked(wish.password.get_secret_value(), "password", account.login, account.name)
    )
    async with context.database.session() as session:
        await reset(session, secret, hashed)
        await forgive(session, failures_of(context, account.login), [])
    log.info("password reset")


def needs_session(known: Recognised) -> None:
    """A problem for a token: what outlives it is not for it to do."""
    if known.session is None:
        raise Problem("session-needed")


def me_of(account: Account, actor: Actor) -> dict[str, object]:
    """The fields of Me that an account and its actor say."""
    return {
        "login": actor.name,
        "name": account.name,
        "system_roles": sorted(actor.system),
        "projects": [
            RolesIn(project=project, roles=sorted(roles), sites=sorted(actor.sites.get(project, ())))
            for project, roles in sorted(actor.projects.items())
        ],
        "scopes": None if actor.scopes is None else sorted(actor.scopes),
    }
