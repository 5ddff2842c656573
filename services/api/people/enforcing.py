"""The table of permissions, applied to every request before its handler, and before what is wrong with it is said."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from fastapi import Request
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import NOBODY, Actor
from services.api.bound import OF_PARTICIPANTS, OF_THE_WHOLE
from services.api.judging import Verdict, bound_to, conceivable, judge
from services.api.needs import IDENTITY, context_of
from services.api.people.addresses import caller, let_in
from services.api.people.recognising import CHALLENGE, Recognised, note_use, recognise
from services.api.permissions import PERMISSIONS, Rule, Where
from services.api.problems import Problem
from services.api.settings import ApiSettings
from services.api.sites import is_theirs
from shared.tables import Assignment, Correction, Project, QuarantineReview, RoutingRule, Transfer


class Found(NamedTuple):
    """Whose the thing is that is asked for; participant None: nobody's in particular."""

    project: str | None = None
    participant: str | None = None


NOTHING: Final = Found()


async def _in_path(request: Request, _: AsyncSession) -> Found:
    return Found(str(request.path_params["name"]), request.path_params.get("participant"))


async def _in_body(request: Request, _: AsyncSession) -> Found:
    """A body that names none is refused by its model, which says what is wrong with it."""
    try:
        body = await request.json()
    except ValueError:
        return NOTHING
    named = body.get("project") if isinstance(body, dict) else None
    return Found(named) if isinstance(named, str) else NOTHING


def _of(query: Select[*tuple[Any, ...]], key: Any) -> Callable[[Request, AsyncSession], Awaitable[Found]]:
    async def look(request: Request, session: AsyncSession) -> Found:
        identity = request.path_params["identity"]
        if not IDENTITY.fullmatch(identity):
            return NOTHING
        row = (await session.execute(query.where(key == identity))).first()
        return NOTHING if row is None else Found(*row)

    return look


FINDING: Final[Mapping[Where, Callable[[Request, AsyncSession], Awaitable[Found]]]] = {
    Where.PROJECT: _in_path,
    Where.BODY: _in_body,
    Where.TRANSFER: _of(select(Transfer.project, Transfer.participant), Transfer.id),
    Where.REVIEW: _of(
        select(QuarantineReview.project, Transfer.participant).outerjoin(
            Transfer, Transfer.id == QuarantineReview.transfer
        ),
        QuarantineReview.id,
    ),
    Where.RULE: _of(select(RoutingRule.project), RoutingRule.id),
    Where.ASSIGNMENT: _of(select(Assignment.project, Assignment.participant), Assignment.id),
    Where.CORRECTION: _of(select(Correction.project, Correction.participant), Correction.id),
}

NOT_THERE: Final[Mapping[Where, str]] = {
    Where.PROJECT: "unknown-project",
    Where.BODY: "unknown-project",
    Where.TRANSFER: "unknown-transfer",
    Where.REVIEW: "unknown-review",
    Where.RULE: "unknown-rule",
    Where.ASSIGNMENT: "unknown-assignment",
    Where.CORRECTION: "unknown-correction",
}
"""What is said to whoever is nobody in the project: the same as when there is no such thing."""


async def permitted(request: Request) -> None:
    """Recognise who asks, note it on the request, and go on only where they may.

    STOW-RS from a network that is let in needs neither token nor database.
    """
    settings: ApiSettings = request.app.state.settings
    request.state.actor, request.state.recognised = NOBODY, Recognised()
    request.state.caller = str(caller(request, settings.proxies))
    operation = request.scope["route"].name
    rule = PERMISSIONS[operation]
    if rule.where is Where.PUBLIC:
        return
    if rule.where is Where.NETWORK and let_in(request, settings.stow_networks, settings.proxies):
        return
    context = context_of(request)
    async with context.database.reading() as session:
        known = await recognise(request, session)
        request.state.actor, request.state.recognised = known.actor, known
        await check(operation, known.actor, request, session)
    await note_use(context.database, known)


async def check(operation: str, who: Actor, request: Request, session: AsyncSession) -> None:
    """A problem unless they may: nobody, nobody who could, or nobody in the project, or the site, that is meant."""
    rule = PERMISSIONS[operation]
    if who is NOBODY:
        raise Problem("not-signed-in", headers=CHALLENGE)
    if not conceivable(rule, who):
        raise Problem("forbidden", _lacking(rule, who))
    if rule.where not in FINDING:
        return
    project, participant = await FINDING[rule.where](request, session)
    if project is None and rule.where is Where.BODY:
        return
    verdict = judge(rule, who, project)
    if verdict is Verdict.FORBIDDEN:
        raise Problem("forbidden")
    if verdict is Verdict.NOT_THERE:
        if project is not None and await session.get(Project, project) is not None:
            request.state.hidden = project
        raise Problem(NOT_THERE[rule.where])
    if project is None or not bound_to(rule, who, project):
        return
    if operation in OF_THE_WHOLE:
        raise Problem("bound-to-site")
    if not _names_participant(operation, request) or await is_theirs(session, who, project, participant):
        return
    request.state.hidden = project
    raise Problem("unknown-participant" if rule.where is Where.PROJECT else NOT_THERE[rule.where])


def _names_participant(operation: str, request: Request) -> bool:
    """Whether what is meant is of one participant; a list is not, nor what a handler finds by a study."""
    named = "identity" in request.path_params and PERMISSIONS[operation].where is not Where.PROJECT
    return operation in OF_PARTICIPANTS and (named or "participant" in request.path_params)


def _lacking(rule: Rule, who: Actor) -> str | None:
    if rule.scope is not None and who.scopes is not None and rule.scope not in who.scopes:
        return f"the token is not for `{rule.scope}`"
    return None
