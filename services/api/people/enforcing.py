"""The table of permissions, applied to every request before its handler, and before what is wrong with it is said."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import NOBODY, Actor
from services.api.needs import IDENTITY, context_of
from services.api.people.addresses import caller, let_in
from services.api.people.recognising import CHALLENGE, Recognised, note_use, recognise
from services.api.permissions import PERMISSIONS, Rule, Verdict, Where, conceivable, judge
from services.api.problems import Problem
from services.api.settings import ApiSettings
from shared.tables import Assignment, Correction, Project, QuarantineReview, RoutingRule, Transfer

Found = str | None


async def _in_path(request: Request, _: AsyncSession) -> Found:
    return str(request.path_params["name"])


async def _in_body(request: Request, _: AsyncSession) -> Found:
    """A body that names none is refused by its model, which says what is wrong with it."""
    try:
        body = await request.json()
    except ValueError:
        return None
    named = body.get("project") if isinstance(body, dict) else None
    return named if isinstance(named, str) else None


def _of(column: Any, key: Any) -> Callable[[Request, AsyncSession], Awaitable[Found]]:
    async def look(request: Request, session: AsyncSession) -> Found:
        identity = request.path_params["identity"]
        if not IDENTITY.fullmatch(identity):
            return None
        found: Found = await session.scalar(select(column).where(key == identity))
        return found

    return look


FINDING: Final[Mapping[Where, Callable[[Request, AsyncSession], Awaitable[Found]]]] = {
    Where.PROJECT: _in_path,
    Where.BODY: _in_body,
    Where.TRANSFER: _of(Transfer.project, Transfer.id),
    Where.REVIEW: _of(QuarantineReview.project, QuarantineReview.id),
    Where.RULE: _of(RoutingRule.project, RoutingRule.id),
    Where.ASSIGNMENT: _of(Assignment.project, Assignment.id),
    Where.CORRECTION: _of(Correction.project, Correction.id),
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
    rule = PERMISSIONS[request.scope["route"].name]
    if rule.where is Where.PUBLIC:
        return
    if rule.where is Where.NETWORK and let_in(request, settings.stow_networks, settings.proxies):
        return
    context = context_of(request)
    async with context.database.reading() as session:
        known = await recognise(request, session)
        request.state.actor, request.state.recognised = known.actor, known
        await check(rule, known.actor, request, session)
    await note_use(context.database, known)


async def check(rule: Rule, who: Actor, request: Request, session: AsyncSession) -> None:
    """A problem unless they may: nobody, nobody who could, or nobody in the project that is meant."""
    if who is NOBODY:
        raise Problem("not-signed-in", headers=CHALLENGE)
    if not conceivable(rule, who):
        raise Problem("forbidden", _lacking(rule, who))
    if rule.where not in FINDING:
        return
    project = await FINDING[rule.where](request, session)
    if project is None and rule.where is Where.BODY:
        return
    verdict = judge(rule, who, project)
    if verdict is Verdict.FORBIDDEN:
        raise Problem("forbidden")
    if verdict is Verdict.NOT_THERE:
        if project is not None and await session.get(Project, project) is not None:
            request.state.hidden = project
        raise Problem(NOT_THERE[rule.where])


def _lacking(rule: Rule, who: Actor) -> str | None:
    if rule.scope is not None and who.scopes is not None and rule.scope not in who.scopes:
        return f"the token is not for `{rule.scope}`"
    return None
