"""The gateway's own api, asked as anybody asks it: what REDCap says passes the same checks as a person's word."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from services.redcap.client import Away, Item
from services.redcap.settings import RedcapSettings

PAGE = 1000
NOT_NOW = (408, 429)


class NotTaken(Exception):
    """The gateway does not take it; the text names the kind of problem and the fields, which are free of PHI."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Gateway:
    """REST under /api/v1. Raises Away when nobody answers or the token is not taken, NotTaken when it is about what."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """All of a list."""
        found: list[dict[str, Any]] = []
        while True:
            paging = {**query, "limit": str(PAGE), "offset": str(len(found))}
            page = (await self._send("GET", path, params=paging)).json()
            found += page["items"]
            if not page["items"] or len(found) >= page["total"]:
                return found

    async def make(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST; what was made."""
        made: dict[str, Any] = (await self._send("POST", path, json=body)).json()
        return made

    async def change(self, path: str, body: Mapping[str, Any], was: Item) -> None:
        """PATCH of what it `was` when it was decided: somebody who is quicker wins."""
        answer = await self._send("GET", path)
        if any(answer.json().get(name) != was.get(name) for name in body):
            raise NotTaken(412, "was just changed here")
        tag = answer.headers.get("etag", "")
        await self._send("PATCH", path, json=body, headers={"If-Match": tag} if tag else {})

    async def remove(self, path: str) -> None:
        """DELETE; what is gone already is no error."""
        try:
            tag = (await self._send("GET", path)).headers.get("etag", "")
        except NotTaken as error:
            if error.status not in (404, 405):
                raise
            tag = ""
        try:
            await self._send("DELETE", path, headers={"If-Match": tag} if tag else {})
        except NotTaken as error:
            if error.status != 404:
                raise

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, f"/api/v1{path}", **more)
        except httpx.TransportError as error:
            raise Away(f"the gateway's api cannot be reached ({type(error).__name__})") from None
        if answer.is_success:
            return answer
        if answer.status_code in (401, 403):
            raise Away("the gateway's api does not take FIONA_REDCAP_API_TOKEN, or it lacks the rights")
        if answer.status_code >= 500 or answer.status_code in NOT_NOW:
            raise Away(f"the gateway's api answers {answer.status_code}")
        raise NotTaken(answer.status_code, _reason(answer))


def _reason(answer: httpx.Response) -> str:
    """The kind of a problem and the fields it names."""
    try:
        said = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    kind = str(said.get("type", "")).rpartition(":")[2] or f"HTTP {answer.status_code}"
    places = [".".join(str(each) for each in error["loc"] if each != "body") for error in said.get("errors") or ()]
    return f"{kind}: {', '.join(places)}" if places else kind


def segment(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def open_gateway(settings: RedcapSettings) -> httpx.AsyncClient:
    """A client of the api."""
    token = settings.api_token.get_secret_value() if settings.api_token is not None else None
    return httpx.AsyncClient(
        base_url=settings.api_url or "",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=60,
        trust_env=False,
        follow_redirects=False,
    )
