"""REDCap's API as far as it is needed: everything is a POST of a form, with the token in it.

So bodies are never logged, nor quoted in errors; REDCap's own words are kept apart, for they quote values.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from prometheus_client import Counter

from services.redcap.settings import RedcapSettings

CALLS = Counter("fiona_redcap_calls_total", "Calls of REDCap's API", ["content", "outcome"])
LATER = (408, 425, 429)
"""HTTP statuses below 500 that mean: not now."""

FORBIDDEN = re.compile(r"(ERROR: )?(Insufficient user privileges|You do not have|You must have)")
"""How REDCap begins to say that a right is missing, with one status or another."""

TOO_LARGE = 413
NO_RIGHT = 403

Item = dict[str, Any]


class Away(Exception):
    """REDCap cannot answer now: try again later. The text is free of PHI."""


class Refused(Exception):
    """REDCap has answered that it will not: who asks, or what, must change. `words` are REDCap's and quote values."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.words = words

    def __str__(self) -> str:
        reasons = {
            TOO_LARGE: "it is too large for REDCap",
            401: "the token is not taken",
            NO_RIGHT: "the token is not taken, or has not the rights for this",
            404: "there is no API at this address",
        }
        return reasons.get(self.status, f"refused with HTTP {self.status}")


class MayNotWrite(Refused):
    """It has refused to import, whatever the rows: what it lets us read can still be read."""

    def __str__(self) -> str:
        return "the token may not write: it lacks the right API Import, or is not taken any more"


class Pace:
    """At most so many calls a minute, evenly spaced."""

    def __init__(self, per_minute: float) -> None:
        self._every = 60 / per_minute
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for it."""
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + self._every
        if at > now:
            await asyncio.sleep(at - now)


class Redcap:
    """One REDCap project."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str, pace: Pace) -> None:
        self._http = http
        self._url = url
        self._token = token
        self._pace = pace

    async def export(self, content: str, **parameters: Any) -> Any:
        """What REDCap has of `content`, as JSON; a list in a parameter becomes `name[0]`, `name[1]`, …"""
        return await self._post(content, parameters)

    async def records(
        self, fields: Sequence[str] = (), records: Sequence[str] = (), forms: Sequence[str] = ()
    ) -> list[Item]:
        """Rows of records (of all, without names), as flat as REDCap has them, choices by their codes."""
        wanted = {"type": "flat", "rawOrLabel": "raw", "fields": fields, "records": records, "forms": forms}
        rows = await self._post("record", wanted)
        if not isinstance(rows, list):
            raise Away("what answers there is not REDCap")
        return rows

    async def write(self, rows: Sequence[Item]) -> int:
        """Import rows: what they do not name stays, and so does what they leave blank. How many records it took.

        Raises Away, Refused, and MayNotWrite when it is not about the rows.
        """
        parameters = {
            "type": "flat",
            "overwriteBehavior": "normal",
            "forceAutoNumber": "false",
            "dateFormat": "YMD",
            "returnContent": "count",
            "data": json.dumps(list(rows), ensure_ascii=False),
        }
        try:
            answer = await self._post("record", parameters)
        except Refused as error:
            if error.status == NO_RIGHT:
                raise MayNotWrite(error.status, error.words) from None
            raise
        if not isinstance(answer, dict) or "count" not in answer:
            raise Away("what answers there is not REDCap")
        return int(answer["count"])

    async def define(self, content: str, rows: Sequence[Item], **parameters: str) -> None:
        """Import a part of the project's definition. Raises Away and Refused, as everything here does."""
        await self._post(content, {"data": json.dumps(list(rows), ensure_ascii=False), **parameters})

    async def _post(self, content: str, parameters: Mapping[str, Any]) -> Any:
        form = {"token": self._token, "content": content, "format": "json", "returnFormat": "json"}
        for name, value in parameters.items():
            if isinstance(value, str):
                form[name] = value
            else:
                form |= {f"{name}[{number}]": each for number, each in enumerate(value)}
        await self._pace.turn()
        try:
            answer = _read(await self._http.post(self._url, data=form))
        except httpx.TransportError as error:
            CALLS.labels(content, "away").inc()
            raise Away(f"REDCap cannot be reached ({type(error).__name__})") from None
        except (Away, Refused) as error:
            CALLS.labels(content, type(error).__name__.lower()).inc()
            raise
        CALLS.labels(content, "ok").inc()
        return answer


def _read(answer: httpx.Response) -> Any:
    """The JSON of an answer. A page in HTML says that REDCap is closed, whatever its status."""
    status = answer.status_code
    if status >= 500 or status in LATER:
        raise Away(f"REDCap answers {status}")
    if answer.is_redirect:
        raise Refused(404, "")
    if status == TOO_LARGE:
        raise Refused(status, "")
    try:
        said = json.loads(answer.content)
    except ValueError:
        if status in (401, 403, 404):
            raise Refused(status, "") from None
        raise Away("REDCap answers with a page: closed for maintenance?") from None
    words = said.get("error") if isinstance(said, dict) else None
    if words is not None or not answer.is_success:
        status = NO_RIGHT if FORBIDDEN.match(str(words)) else status
        raise Refused(status if status >= 400 else 400, str(words))
    return said


def open_http(settings: RedcapSettings) -> httpx.AsyncClient:
    """A client that trusts REDCap's certificate and nobody's proxy."""
    import ssl

    verify = ssl.create_default_context(cafile=str(settings.ca_file)) if settings.ca_file is not None else True
    return httpx.AsyncClient(
        timeout=settings.timeout_seconds, verify=verify, trust_env=False, follow_redirects=False, http2=False
    )
