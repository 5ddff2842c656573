"""Around every request, even around the guard: who did what is on disk before anybody is answered.

What may change something is noted before it is done, too: a process that dies in between leaves that note. A route
calls nothing for it; a record says which operation was asked for and by which identifiers, never by which values.
"""

from typing import Any, Final

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.actor import NOBODY, Actor
from services.api.facts import Facts, fields_of, found
from services.api.problems import Problem, answer
from shared.audit import Record, Spool, SpoolUnavailable
from shared.audit.record import ASKED, Outcome
from shared.tables.base import new_id, now

REFUSED: Final = (401, 403, 421, 429)
SAFE: Final = ("GET", "HEAD", "OPTIONS")
UNRECORDED: Final = frozenset({"livez", "readyz", "metrics", "openapi", "home", "reset"})
"""Pages that know nobody."""

IMPERSONAL: Final = frozenset(
    {
        "list_checks", "list_destinations", "list_heartbeats", "list_profiles", "list_rules", "list_switches",
        "list_transfers", "show_assignment", "show_counts", "show_profile", "show_transfer", "watch",
    }
)  # fmt: skip
"""Reads that show no identity, which programs repeat every second: recorded only when they are refused."""


class Recorder:
    """ASGI middleware; the outermost."""

    def __init__(self, app: ASGIApp, spool: Spool) -> None:
        self._app = app
        self._spool = spool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        recording = Recording(scope, self._spool)
        scope.setdefault("state", {})["recording"] = recording
        replaced = False

        async def sending(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                try:
                    await recording.end(message["status"])
                except SpoolUnavailable:
                    replaced = True
                    problem = Problem("audit-unavailable", headers={"Cache-Control": "no-store"})
                    await answer(problem)(scope, receive, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, sending)


class Recording:
    """What is known of one request, and what of it has been kept."""

    def __init__(self, scope: Scope, spool: Spool) -> None:
        self._scope = scope
        self._spool = spool
        self._id = new_id()
        self._at = now()
        self._said: dict[str, Any] = {}
        self._began = False

    async def begin(self, said: dict[str, Any]) -> None:
        """Before the operation: what the body says, of which only little is kept. SpoolUnavailable: do not do it."""
        self._said = said
        if self._scope["method"] not in SAFE:
            await self._spool.keep(self._record(None))
            self._began = True

    async def end(self, status: int) -> None:
        """Before the answer."""
        if self._began or self._is_told(status):
            await self._spool.keep(self._record(status))

    def _is_told(self, status: int) -> bool:
        operation = self._operation
        if operation in UNRECORDED:
            return False
        if status in REFUSED or self._hidden is not None:
            return True
        return operation != "none" and (self._scope["method"] not in SAFE or operation not in IMPERSONAL)

    @property
    def _operation(self) -> str:
        return getattr(self._scope.get("endpoint"), "__name__", "none")

    def _record(self, status: int | None) -> Record:
        state = self._scope["state"]
        actor: Actor = state.get("actor", NOBODY)
        facts = self._facts(status)
        return Record(
            id=self._id,
            at=self._at,
            actor=actor.name[:100],
            actor_kind=actor.kind,
            operation=self._operation[:64],
            method=self._scope["method"][:8],
            outcome=_outcome(status, hidden=self._hidden is not None),
            status=status,
            address=_address(self._scope),
            project=facts.project or self._hidden,
            study_instance_uid=facts.study,
            participant=facts.participant,
            details=dict(facts.details) | self._scope["state"].get("told", {}),
            correlation=self._id,
        )

    @property
    def _hidden(self) -> str | None:
        """The project that was meant, where whoever asked is told that there is none."""
        hidden: str | None = self._scope["state"].get("hidden")
        return hidden

    def _facts(self, status: int | None) -> Facts:
        route = self._scope.get("route")
        if not isinstance(route, APIRoute):
            return Facts()
        return found(route, self._scope.get("path_params", {}), self._scope["query_string"], self._said, status)


def _outcome(status: int | None, hidden: bool) -> Outcome:
    if status is None:
        return ASKED
    if status < 400:
        return "done"
    return "refused" if status in REFUSED or hidden else "failed"


def _address(scope: Scope) -> str:
    """As whoever looks through the proxies has noted it, else the peer's."""
    client = scope.get("client")
    return str(scope["state"].get("caller") or (client[0] if client else ""))[:64]


async def recorded(request: Request) -> None:
    """A dependency of the whole application, so that no route is without it."""
    recording: Recording | None = getattr(request.state, "recording", None)
    if recording is None:
        return
    route = request.scope.get("route")
    body = await _said(request) if isinstance(route, APIRoute) and fields_of(route) else {}
    try:
        await recording.begin(body if isinstance(body, dict) else {})
    except SpoolUnavailable:
        raise Problem("audit-unavailable") from None


async def _said(request: Request) -> Any:
    """The body; nothing when it is no JSON, which the route will say."""
    try:
        return await request.json()
    except (ValueError, RecursionError):
        return {}
