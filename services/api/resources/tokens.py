"""API tokens: for programs, never more than their owner may at the moment; the secret is shown once."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from services.api.actor import Actor, Scope, SystemRole, Who
from services.api.answers import Page, Shape, example
from services.api.judging import conceivable
from services.api.lists import part
from services.api.needs import Ctx, Identity, Limit, Line, Login, Offset, ProjectName
from services.api.people.actors import limited
from services.api.people.recognising import Known
from services.api.people.secrets import SHOWN, TOKEN, digest, new_secret
from services.api.permissions import PERMISSIONS, Where
from services.api.problems import FieldError, Problem, documented, invalid
from services.api.projects import get_project
from services.api.resources.session import needs_session
from services.api.settings import ApiSettings
from shared.log import logger
from shared.tables import ApiToken
from shared.tables.base import new_id, now

router = APIRouter(tags=["people"])
log = logger("api")

EXAMPLE = {
    "id": "5b0c7c3e-1b7e-4c43-9f4e-3c1d6b1f4a77",
    "name": "api_k.olsen_ABCD-study",
    "prefix": "fiona_t_4fG7aQ",
    "account": "k.olsen",
    "project": "ABCD-study",
    "scopes": ["read", "write"],
    "created_at": "2026-01-01T08:00:00Z",
    "expires_at": "2026-04-01T08:00:00Z",
    "revoked_at": None,
    "used_at": None,
}


class NewToken(Shape):
    """A token to be made."""

    model_config = example(project="ABCD-study", scopes=["read", "write"], days=90)
    name: Line = Field(default="", description="empty: api_<login>, and the project")
    project: ProjectName | None = Field(default=None, description="the only one it is for; null: all of its owner")
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    days: int = Field(default=90, ge=1, description="how long it is good for")


class TokenItem(Shape):
    """A token, without its secret."""

    model_config = example(**EXAMPLE)
    id: str
    name: str
    prefix: str = Field(description="how it begins")
    account: str
    project: str | None
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="to the minute")


class MadeToken(TokenItem):
    """A token with its secret, which nobody will see again."""

    model_config = example(**EXAMPLE, token="fiona_t_4fG7aQ…")  # noqa: S106  an example
    token: str


@router.get("/tokens", summary="One's own tokens, latest first", responses=documented("forbidden"))
async def list_tokens(
    context: Ctx,
    who: Who,
    account: Annotated[Login | None, Query(description="for administrators: somebody else's")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[TokenItem]:
    """Those that have ended, too."""
    owner = account or who.name
    if owner != who.name and not _administers(who):
        raise Problem("forbidden")
    mine = ApiToken.account == owner
    async with context.database.reading() as session:
        rows, total = await part(session, ApiToken, [mine], [ApiToken.created_at.desc(), ApiToken.id], limit, offset)
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/tokens",
    summary="Make a token",
    status_code=201,
    responses=documented("session-needed", "unknown-project", "invalid-request"),
)
async def make_token(
    context: Ctx, request: Request, who: Who, known: Known, wish: NewToken, response: Response
) -> MadeToken:
    """Only whoever is signed in: no token makes another. It may what its scopes and its owner's roles both allow."""
    needs_session(known)
    settings: ApiSettings = request.app.state.settings
    secret, moment = new_secret(TOKEN), now()
    row = ApiToken(
        id=new_id(),
        digest=digest(secret),
        prefix=secret[:SHOWN],
        name=wish.name or "_".join(filter(None, ("api", who.name, wish.project))),
        account=who.name,
        project=wish.project,
        scopes=sorted({each.value for each in wish.scopes}),
        created_at=moment,
        expires_at=moment + timedelta(days=min(wish.days, settings.token_days)),
    )
    if wish.project is not None and not who.roles_in(wish.project):
        raise Problem("unknown-project")
    _check_scopes(limited(who, row), wish.scopes)
    async with context.database.session() as session:
        if wish.project is not None:
            await get_project(session, wish.project)
        session.add(row)
    log.info("token made", project=wish.project)
    response.headers["Location"] = "/api/v1/tokens"
    return MadeToken(**_item(row).model_dump(), token=secret)


@router.delete("/tokens/{identity}", summary="Revoke a token", status_code=204, responses=documented("unknown-token"))
async def revoke_token(context: Ctx, who: Who, identity: Identity) -> None:
    """One's own; an administrator anybody's."""
    async with context.database.session() as session:
        row = await session.get(ApiToken, identity)
        if row is None or (row.account != who.name and not _administers(who)):
            raise Problem("unknown-token")
        row.revoked_at = row.revoked_at or now()
    log.info("token revoked")


def _administers(who: Actor) -> bool:
    return SystemRole.ADMINISTRATOR in who.system and (who.scopes is None or Scope.ADMIN in who.scopes)


def _check_scopes(who: Actor, scopes: list[Scope]) -> None:
    """A problem for a scope in which one may nothing."""
    useful = {rule.scope for rule in PERMISSIONS.values() if rule.where is not Where.SELF and conceivable(rule, who)}
    errors = [
        FieldError(loc=["body", "scopes", i], msg="you may nothing of it", type="scope")
        for i, scope in enumerate(scopes)
        if scope not in useful
    ]
    if errors:
        raise invalid(*errors)


def _item(row: ApiToken) -> TokenItem:
    return TokenItem.model_validate(row, from_attributes=True)
