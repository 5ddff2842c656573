"""Asking twice is asking once: a POST that names itself by an Idempotency-Key is done once and answered the same again.

The answer is committed with the last transaction of what it answers, so that a crash leaves both or neither. What
fails, or writes nothing, keeps nothing, and its key is free; nobody, who signs in, has no keys.
(draft-ietf-httpapi-idempotency-key-header.)
"""

import json
import re
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.actor import NOBODY, Who
from services.api.held import HeldDatabase
from services.api.problems import FieldError, Problem, also, answer, from_exception, invalid
from shared.crypto import Vault
from shared.database import DatabaseUnavailable, insert_new, try_lock
from shared.service import Context
from shared.tables import IdempotentAnswer
from shared.tables.base import now

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
KEPT_FOR: Final = timedelta(hours=24)
KEY: Final = re.compile(r'"?([\x21\x23-\x7e]{1,200})"?')
HEADERS: Final = ("content-type", "location", "etag")
"""What of an answer's head is given again."""

TOLD_ONCE: Final = frozenset({"make_token"})
"""Operations whose answer is a secret: it is kept nowhere, so that asking again makes another."""

KINDS: Final = ("key-in-use", "key-of-another-request")
PARAMETER: Final = {
    "name": HEADER.lower(),
    "in": "header",
    "required": False,
    "description": "Names this very request, a UUID for instance: asked again within 24 hours, the first answer is "
    f"given again with `{REPLAYED}: true`. What changes nothing needs none.",
    "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
}


@dataclass
class Keyed:
    """A request with a key: what it is, by hashes, and the transaction that waits for its answer."""

    key: str
    body: str
    identity: str = ""
    fingerprint: str = ""
    database: HeldDatabase | None = None
    context: Context | None = None


class Answered(Exception):
    """The request was answered before."""

    def __init__(self, response: Response) -> None:
        super().__init__("answered before")
        self.response = response


_under_way: set[str] = set()
"""Keyed requests in the hands of this process; other processes are kept out by a lock of the database."""


class Keeper:
    """ASGI middleware, next to the routes: reads the body of a keyed request, and keeps its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get(HEADER) if _takes_keys(scope) else None
        if given is None:
            return await self._app(scope, receive, send)
        if (found := KEY.fullmatch(given)) is None:
            raise invalid(FieldError(loc=["header", HEADER], msg="1 to 200 printable characters", type="key"))
        body = await _whole(receive)
        if body is None:
            return None
        keyed = Keyed(found[1], sha256(body).hexdigest())
        scope.setdefault("state", {})["keyed"] = keyed
        with _alone(keyed):
            try:
                await self._app(scope, _again(body, receive), _keeping(keyed, scope, receive, send))
            finally:
                if keyed.database is not None:
                    await keyed.database.undo()
        return None


async def keyed(request: Request, who: Who) -> None:
    """A dependency of all routes, behind those that say who may ask: an answer of before, or a held database."""
    this: Keyed | None = getattr(request.state, "keyed", None)
    if this is None or who is NOBODY:
        return
    context: Context = request.app.state.context
    if not context.database.migrated:
        raise DatabaseUnavailable("not reached since the start")
    operation = getattr(request.scope.get("endpoint"), "__name__", "")
    if operation in TOLD_ONCE:
        return
    asked = request.url.path, request.url.query, request.headers.get("content-type", ""), this.body
    this.identity = context.vault.hash("idempotency key", who.name, operation, this.key)
    this.fingerprint = context.vault.hash("idempotent request", *asked)
    async with context.database.reading() as session:
        row = await session.get(IdempotentAnswer, this.identity)
    if row is not None and row.expires_at > now():
        if row.fingerprint != this.fingerprint:
            raise Problem("key-of-another-request")
        raise Answered(_opened(context.vault, row))
    if this.identity in _under_way:
        raise Problem("key-in-use")
    _under_way.add(this.identity)

    async def begun(session: AsyncSession) -> None:
        if not await try_lock(session, "idempotency", this.identity):
            raise Problem("key-in-use")

    this.database = HeldDatabase(context.database, begun)
    this.context = _with(context, this.database)


def context_for(request: Request) -> Context:
    """The process's context; for a keyed request, with the database that waits for the answer."""
    this: Keyed | None = getattr(request.state, "keyed", None)
    ours: Context = request.app.state.context
    return this.context if this is not None and this.context is not None else ours


def install(app: FastAPI) -> None:
    """Give an answer of before."""

    async def handle(_: Request, error: Exception) -> Response:
        assert isinstance(error, Answered)  # noqa: S101  what is so here, said to mypy
        return error.response

    app.add_exception_handler(Answered, handle)


def describe(schema: dict[str, Any]) -> None:
    """Say of every POST that takes keys that it does."""
    for path, operations in schema["paths"].items():
        if "post" not in operations or not _takes_keys({"type": "http", "method": "POST", "path": path}):
            continue
        operation = operations["post"]
        operation.setdefault("parameters", []).append(PARAMETER)
        also(operation, *KINDS)


def _takes_keys(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and str(scope["path"]).startswith("/api/v1/")


@contextmanager
def _alone(keyed: Keyed) -> Iterator[None]:
    try:
        yield
    finally:
        if keyed.context is not None:
            _under_way.discard(keyed.identity)


async def _whole(receive: Receive) -> bytes | None:
    """The body; None when whoever asks has gone."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes."""
    waiting = [body]

    async def receiving() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return receiving


def _keeping(keyed: Keyed, scope: Scope, receive: Receive, send: Send) -> Send:
    """Commit, and the answer with it where it is one to keep, before a word of it is sent."""
    head: Message | None = None
    body = b""
    replaced = False

    async def committed(work: Awaitable[None]) -> None:
        nonlocal replaced
        try:
            await work
        except Exception as error:
            replaced = True
            await answer(from_exception(error))(scope, receive, send)

    async def sending(message: Message) -> None:
        nonlocal head, body
        if message["type"] == "http.response.start":
            if _is_to_keep(keyed, message):
                head = message
                return
            await committed(_settle(keyed))
        elif head is not None and not replaced:
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            await committed(_keep(keyed, head, body))
            message, started, head = {**message, "body": body}, head, None
            if not replaced:
                await send(started)
        if not replaced:
            await send(message)

    return sending


async def _settle(keyed: Keyed) -> None:
    if keyed.database is None or keyed.context is None:
        return
    await keyed.database.release()
    if keyed.context.maybe_relay is not None:
        keyed.context.maybe_relay.wake()


def _is_to_keep(keyed: Keyed, head: Message) -> bool:
    headers = Headers(raw=head["headers"])
    written = keyed.database is not None and keyed.database.held is not None
    plain = headers.get("content-type", "application/json").startswith("application/json")
    return written and 200 <= head["status"] < 300 and plain and "set-cookie" not in headers


async def _keep(keyed: Keyed, head: Message, body: bytes) -> None:
    assert keyed.database is not None  # noqa: S101  what is so here, said to mypy
    assert keyed.database.held is not None  # noqa: S101  what is so here, said to mypy
    assert keyed.context is not None  # noqa: S101  what is so here, said to mypy
    session, headers = keyed.database.held, Headers(raw=head["headers"])
    said = {"headers": {name: headers[name] for name in HEADERS if name in headers}, "body": body.decode()}
    row = {
        "key": keyed.identity,
        "fingerprint": keyed.fingerprint,
        "status": head["status"],
        "answer": keyed.context.vault.encrypt(json.dumps(said)),
        "expires_at": now() + KEPT_FOR,
    }
    old = IdempotentAnswer.expires_at < now()
    if not await try_lock(session, "idempotency", "old answers"):
        old = old & (IdempotentAnswer.key == keyed.identity)
    await session.execute(delete(IdempotentAnswer).where(old))
    if not await insert_new(session, IdempotentAnswer, [row]):
        await keyed.database.undo()
        raise Problem("key-in-use")
    await _settle(keyed)


def _opened(vault: Vault, row: IdempotentAnswer) -> Response:
    said = json.loads(vault.decrypt(row.answer))
    return Response(said["body"], row.status, said["headers"] | {REPLAYED: "true"})


def _with(context: Context, database: HeldDatabase) -> Context:
    """The same context, its vault included, with another database."""
    assert context.vault  # noqa: S101  what is so here, said to mypy
    held = copy(context)
    held.maybe_database = database
    return held
