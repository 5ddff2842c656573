"""A DICOMweb destination: STOW-RS, and QIDO-RS to count."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import httpx

from services.sender.clients.protocol import Answer, Found, Leaving, Outgoing, Withdrawn
from services.sender.clients.qido import find
from services.sender.clients.stow import Body, answers, batches
from services.sender.clients.withdraw import withdraw
from services.sender.threads import in_thread
from shared.destinations import DicomWebDestination
from shared.destinations.connect import http_client
from shared.scu import Unavailable
from shared.scu.statuses import CANNOT_UNDERSTAND, SOP_CLASS_NOT_SUPPORTED

ANSWERED = (200, 202, 409)
OF_ONE_INSTANCE = {400: CANNOT_UNDERSTAND, 413: CANNOT_UNDERSTAND, 415: SOP_CLASS_NOT_SUPPORTED}
"""A request that fails as a whole may do so for one of its instances: sent alone, that one is refused."""


class DicomWebClient:
    """Requests of bounded size, one after the other, each in a thread."""

    def __init__(self, config: DicomWebDestination, request_bytes: int = 64 * 2**20) -> None:
        self._config = config
        self._request_bytes = request_bytes

    async def send(self, instances: Sequence[Outgoing]) -> AsyncGenerator[list[Answer], None]:
        """STOW-RS; the answers come with each request."""
        with self._client() as client:
            yield []
            for batch in batches(instances, self._request_bytes):
                yield await in_thread(_store, client, batch)

    async def count(self, study: str, series: str) -> Found | None:
        """QIDO-RS for the instances of the series; None when it is not offered."""
        with self._client() as client:
            return await in_thread(find, client, study, series)

    async def withdraw(self, instances: Sequence[Leaving]) -> Withdrawn | None:
        """By DELETE or another interface, if one is configured."""
        return await in_thread(withdraw, way, instances) if (way := self._config.way_to_withdraw()) else None

    def _client(self) -> httpx.Client:
        try:
            return http_client(self._config)
        except OSError as error:
            raise Unavailable(f"credentials or TLS files: {type(error).__name__}") from error


def _store(client: httpx.Client, batch: Sequence[Outgoing]) -> list[Answer]:
    body = Body(batch)
    try:
        response = client.post("/studies", content=body, headers=body.headers)
    except httpx.TransportError as error:
        raise Unavailable(f"STOW-RS: {type(error).__name__}") from error
    if response.status_code in ANSWERED:
        return answers(batch, response.status_code, _json(response))
    if response.status_code not in OF_ONE_INSTANCE:
        raise Unavailable(f"STOW-RS: HTTP {response.status_code}")
    if len(batch) == 1:
        return [Answer(batch[0].sop_instance_uid, OF_ONE_INSTANCE[response.status_code])]
    middle = len(batch) // 2
    return _store(client, batch[:middle]) + _store(client, batch[middle:])


def _json(response: httpx.Response) -> Mapping[str, Any] | None:
    try:
        content = response.json()
    except ValueError:
        return None
    if isinstance(content, list):
        content = content[0] if content else None
    return content if isinstance(content, Mapping) else None
