"""Signing in at a provider of OpenID Connect: there by a link, back with a code, here with a session."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import RedirectResponse

from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, Limit, Offset, ProviderName
from services.api.people.oidc import SECONDS, Client, Journey, OidcRefused, OidcUnavailable
from services.api.people.recognising import secure
from services.api.people.sessions import begin, set_cookie
from services.api.people.signing_in import Door
from services.api.people.terminals import Challenge, Port, Waiting
from services.api.people.vouched import welcome
from services.api.problems import Problem, documented
from shared.log import logger

router = APIRouter(tags=["session"])
log = logger("api")
LED: dict[int | str, dict[str, Any]] = {303: {"description": "The browser is led on"}}
Words = Annotated[str, Query(max_length=4096)]


class ProviderItem(Shape):
    """Somebody who vouches for people."""

    model_config = example(name="hospital", title="Hospital login")
    name: str
    title: str = Field(description="for a button")


@router.get("/session/providers", summary="Who vouches for people, beside passwords")
async def list_providers(request: Request, limit: Limit = 100, offset: Offset = 0) -> Page[ProviderItem]:
    """In the order of the settings."""
    door: Door = request.app.state.door
    items = [ProviderItem(name=each.name, title=each.title or each.name) for each in door.elsewhere.oidc]
    return Page(items=items[offset : offset + limit], total=len(items))


@router.get(
    "/session/oidc/{provider}",
    summary="Go to a provider to sign in",
    status_code=303,
    response_class=RedirectResponse,
    responses=LED | documented("unknown-provider", "provider-refused", "directory-unavailable", "invalid-request"),
)
async def go_to_provider(
    context: Ctx, request: Request, provider: ProviderName, port: Port = None, challenge: Challenge = None
) -> RedirectResponse:
    """A page leads there by a link; what ties the way back to this browser is sealed in a cookie.

    A terminal opens the link in a browser and says where it waits; what comes there is for `POST /session/code`.
    """
    client = _client(request, provider)
    waiting = Waiting.said(port, challenge)
    journey = Journey.begin(provider, *((waiting.port, waiting.challenge) if waiting else ()))
    try:
        answer = RedirectResponse(await client.way(journey), 303)
    except (OidcUnavailable, OidcRefused) as error:
        raise _problem(error, provider) from None
    answer.set_cookie(
        _cookie(request),
        journey.sealed(context.vault),
        max_age=SECONDS,
        path="/",
        secure=secure(request),
        httponly=True,
        # Strict would keep it from the way back, which begins at another site.
        samesite="lax",
    )
    return answer


@router.get(
    "/session/oidc/{provider}/callback",
    summary="Come back from a provider",
    status_code=303,
    response_class=RedirectResponse,
    responses=LED
    | documented("provider-refused", "no-role", "unknown-provider", "login-taken", "directory-unavailable"),
)
async def come_from_provider(
    context: Ctx,
    request: Request,
    provider: ProviderName,
    state: Words = "",
    code: Words = "",
    iss: Words | None = None,
) -> RedirectResponse:
    """The code is exchanged, its word checked, the account made or refreshed, and a session begun."""
    door: Door = request.app.state.door
    client = _client(request, provider)
    try:
        journey = Journey.opened(context.vault, request.cookies.get(_cookie(request), ""), provider, state)
        if not code:
            raise OidcRefused("no code came back")
        person, refresh = await client.person(journey, code, iss)
    except (OidcUnavailable, OidcRefused) as error:
        raise _problem(error, provider) from None
    known = door.elsewhere.provider(provider)
    async with context.database.session() as session:
        account = await welcome(session, person, known.grants if known else ())
        sealed = context.vault.encrypt(refresh) if refresh else None
        secret = (await begin(session, account, door.settings, sealed))[0] if account is not None else None
    if secret is None:
        raise Problem("no-role")
    log.info("signed in", destination=provider)
    if journey.port:
        answer = RedirectResponse(Waiting(journey.port, journey.challenge).way(context.vault, secret), 303)
    else:
        answer = RedirectResponse("/", 303)
        set_cookie(request, answer, secret, door.settings)
    answer.delete_cookie(_cookie(request), path="/", secure=secure(request), httponly=True, samesite="lax")
    return answer


def _client(request: Request, provider: str) -> Client:
    door: Door = request.app.state.door
    if (client := door.providers.get(provider)) is None:
        raise Problem("unknown-provider")
    return client


def _problem(error: Exception, provider: str) -> Problem:
    log.warning("provider", destination=provider, why=str(error))
    return Problem("directory-unavailable" if isinstance(error, OidcUnavailable) else "provider-refused")


def _cookie(request: Request) -> str:
    return "__Host-fiona-oidc" if secure(request) else "fiona-oidc"
