"""A gateway's api, as a person with a token calls it while the gateway may just be starting."""

import ssl
import time
from typing import Any

import httpx

from tests.components import plain

OVER = ("completed", "quarantined", "failed", "cancelled", "withdrawn")
"""The states of a transfer of which nothing more comes."""


def call(
    api: str,
    token: str,
    method: str,
    path: str,
    *,
    verify: ssl.SSLContext = plain.NOBODY,
    wait: float = 120,
    **more: Any,
) -> Any:
    """What it answers, after so many seconds at the latest; HTTPStatusError, with its words, when that is a refusal."""
    deadline = time.monotonic() + wait
    bearer = {"Authorization": f"Bearer {token}"}
    while True:
        try:
            answer = httpx.request(method, f"{api}/api/v1{path}", timeout=120, headers=bearer, verify=verify, **more)
            if answer.status_code < 500 or time.monotonic() > deadline:
                break
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)
    if answer.is_error:
        words = f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        raise httpx.HTTPStatusError(words, request=answer.request, response=answer)
    return answer.json() if answer.content else None
