"""Tells a webhook; it has taken what it answers 2xx to."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from services.monitor.settings import MonitorSettings
from shared.log import logger

log = logger("monitor")


async def post(settings: MonitorSettings, body: Mapping[str, Any]) -> bool:
    """Whether it was taken. Neither its address nor its token is ever said."""
    assert settings.webhook_url is not None  # noqa: S101  whoever calls has looked
    token = settings.webhook_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token is not None else {}
    try:
        trust = ssl.create_default_context(cafile=settings.webhook_ca)
        async with httpx.AsyncClient(verify=trust, timeout=settings.echo_seconds, headers=headers) as client:
            answer = await client.post(settings.webhook_url.get_secret_value(), json=body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        log.warning("the webhook cannot be told", error=type(error).__name__)
        return False
    if not answer.is_success:
        log.warning("the webhook does not take it", status=answer.status_code)
    return answer.is_success
