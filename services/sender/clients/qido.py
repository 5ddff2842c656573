"""What a DICOMweb server says it holds of a series: QIDO-RS (PS3.18 §10.6), page by page."""

import httpx

from services.sender.clients.protocol import Found
from shared.scu import Unavailable

NOT_OFFERED = (400, 404, 405, 406, 501)
PAGE = 1000


def find(client: httpx.Client, study: str, series: str) -> Found | None:
    """The instances of a series; None when the server does not offer to be asked."""
    found: set[str] = set()
    while True:
        try:
            response = client.get(
                f"/studies/{study}/series/{series}/instances",
                params={"limit": PAGE, "offset": len(found)},
                headers={"Accept": "application/dicom+json"},
            )
        except httpx.TransportError as error:
            raise Unavailable(f"QIDO-RS: {type(error).__name__}") from error
        if response.status_code in NOT_OFFERED:
            return None if not _offers_queries(client) else Found(frozenset(found), len(found))
        if not response.is_success:
            raise Unavailable(f"QIDO-RS: HTTP {response.status_code}")
        page = _uids(response)
        if page <= found:
            return Found(frozenset(found), len(found))
        found |= page


def _offers_queries(client: httpx.Client) -> bool:
    """Whether a 404 meant "no such series" rather than "no such service"."""
    try:
        return client.get("/studies", params={"limit": 1}).is_success
    except httpx.TransportError as error:
        raise Unavailable(f"QIDO-RS: {type(error).__name__}") from error


def _uids(response: httpx.Response) -> set[str]:
    try:
        items = response.json() if response.content else []
        return {str(item["00080018"]["Value"][0]) for item in items}
    except (ValueError, LookupError, TypeError) as error:
        raise Unavailable("a QIDO-RS answer that cannot be read") from error
