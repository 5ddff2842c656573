"""A terminal fetches the session that a browser has begun for it at a provider of OpenID Connect."""

from fastapi import APIRouter, Request
from pydantic import Field, SecretStr

from services.api.answers import Shape, example
from services.api.needs import Ctx
from services.api.people.actors import actor_of
from services.api.people.oidc import OidcRefused
from services.api.people.secrets import digest
from services.api.people.signing_in import count
from services.api.people.terminals import opened
from services.api.problems import Problem, documented
from services.api.resources.session import SignedIn, me_of
from shared.log import logger
from shared.tables import Account, WebSession

router = APIRouter(tags=["session"])
log = logger("api")


class Fetched(Shape):
    """What the browser has brought to the terminal, and what only the terminal knows."""

    model_config = example(code="Zm…", verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    code: SecretStr = Field(min_length=1, max_length=4096)
    verifier: SecretStr = Field(min_length=43, max_length=128)


@router.post(
    "/session/code",
    summary="Fetch the session that a browser has begun for a terminal",
    responses=documented("provider-refused", "too-many-attempts", "invalid-request"),
)
async def fetch_session(context: Ctx, request: Request, wish: Fetched) -> SignedIn:
    """Within a minute, by the terminal that has sent the browser (PKCE)."""
    await count(request, context, "code", digest(wish.code.get_secret_value()))
    try:
        secret = opened(context.vault, wish.code.get_secret_value(), wish.verifier.get_secret_value())
    except OidcRefused as error:
        log.info("code refused", why=str(error))
        raise Problem("provider-refused") from None
    async with context.database.reading() as session:
        row = await session.get(WebSession, digest(secret))
        if row is None:
            raise Problem("provider-refused")
        account = await session.get_one(Account, row.account)
        actor = await actor_of(session, account)
    request.state.actor = actor
    log.info("signed in")
    return SignedIn(**me_of(account, actor), csrf_token=None, expires_at=row.expires_at, token=secret)
