"""Entity tags (RFC 9110 §8.8.3): what people edit carries one, and is changed only by whoever has seen it as it is.

A route that shows one takes `Shown` and returns `shown(item)`; a route that changes, replaces or removes it takes
`Edit`, calls `edit.check(item)` in its transaction, with the row locked, before it changes anything, and returns
`edit.made(item)`. `SHOWN` and `EDITED` are what both add to their documented answers.
"""

import re
from hashlib import sha256
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel

from services.api.problems import Problem

M = TypeVar("M", bound=BaseModel)
LISTED: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')

SHOWN: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "It is what If-None-Match says"}}
EDITED: Final = ("changed-meanwhile", "version-required")
"""The kinds of problem that changing such a thing adds."""


class NotModified(Exception):
    """Whoever asks has it already."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


def tag_of(item: BaseModel, beside: BaseModel | None = None) -> str:
    """The tag of an item as people edit it; what is shown `beside` it and changes by itself follows after a dot."""
    return f'"{".".join(_digest(each) for each in (item, beside) if each is not None)}"'


def matches(header: str, tag: str) -> bool:
    """Whether If-Match names the version; a weak tag never does, and what stands beside an item does not matter."""
    strong = {found[2].partition(".")[0] for found in LISTED.finditer(header) if not found[1]}
    return header.strip() == "*" or tag.strip('"').partition(".")[0] in strong


def same(header: str, tag: str) -> bool:
    """Whether If-None-Match names the whole of what is shown, weakly or not."""
    return header.strip() == "*" or tag.strip('"') in {found[2] for found in LISTED.finditer(header)}


def demand(if_match: str | None, tag: str, kind: str = "changed-meanwhile", detail: str | None = None) -> None:
    """A problem unless If-Match names the version that is there."""
    if if_match is None:
        raise Problem("version-required")
    if not matches(if_match, tag):
        raise Problem(kind, detail)


class _Shown:
    def __init__(
        self,
        response: Response,
        if_none_match: Annotated[str | None, Header(max_length=1000, description="ETags that one has")] = None,
    ) -> None:
        self._response = response
        self._known = if_none_match

    def __call__(self, item: M, edited: BaseModel | None = None, tag: str | None = None) -> M:
        """The item with its tag, unless it is known; `edited`: the part of it that people edit, where it is not all."""
        tag = tag or (tag_of(item) if edited is None else tag_of(edited, item))
        if self._known is not None and same(self._known, tag):
            raise NotModified(tag)
        self._response.headers["ETag"] = tag
        return item


class _Edit:
    def __init__(
        self,
        response: Response,
        if_match: Annotated[
            str | None,
            Header(max_length=1000, description="the ETag of what is to be changed; *: whatever it is"),
        ] = None,
    ) -> None:
        self._response = response
        self.if_match = if_match

    def check(self, item: BaseModel) -> None:
        """A problem unless this is the version that was seen."""
        demand(self.if_match, tag_of(item))

    def made(self, item: M, tag: str | None = None) -> M:
        """The item with the tag of its next version."""
        self._response.headers["ETag"] = tag or tag_of(item)
        return item


def made(response: Response, item: M) -> M:
    """The item, just made, with its first tag."""
    response.headers["ETag"] = tag_of(item)
    return item


Shown = Annotated[_Shown, Depends()]
"""For a route that shows one thing."""

Edit = Annotated[_Edit, Depends()]
"""For a route that changes one thing."""


def install(app: FastAPI) -> None:
    """Answer 304 where nothing is new."""

    async def handle(_: Request, error: Exception) -> Response:
        assert isinstance(error, NotModified)  # noqa: S101  what is so here, said to mypy
        return Response(status_code=304, headers={"ETag": error.tag})

    app.add_exception_handler(NotModified, handle)


def describe(schema: dict[str, Any]) -> None:
    """Say that If-Match has to be there. To FastAPI it need not: who leaves it out is told so by 428, not by 422."""
    for operation in [each for ways in schema["paths"].values() for each in ways.values()]:
        for parameter in operation.get("parameters", []):
            if parameter["name"] == "if-match":
                present = next(each for each in parameter["schema"]["anyOf"] if each["type"] != "null")
                parameter |= {"required": True, "schema": present}


def _digest(item: BaseModel) -> str:
    return sha256(item.model_dump_json().encode()).hexdigest()[:20]
