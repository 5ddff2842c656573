"""How a destination is made to delete: by Orthanc's own REST, or by DELETE as some DICOMweb servers have it.

Deleted is instance by instance, by SOP Instance UID: a study that holds more than ours keeps the rest.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import httpx

from services.sender.clients.protocol import Leaving, Withdrawn
from services.sender.clients.qido import find
from shared.destinations.config import Withdraw
from shared.destinations.connect import http_client
from shared.scu import Unavailable

GONE = (404, 410)
NOT_OFFERED = (405, 501)


def withdraw(config: Withdraw, instances: Sequence[Leaving]) -> Withdrawn | None:
    """Delete them; how many are left. None: the server does not offer it."""
    try:
        client = http_client(config)
    except OSError as error:
        raise Unavailable(f"credentials or TLS files: {type(error).__name__}") from error
    with client:
        return WAYS[config.by](client, instances)


def _orthanc(client: httpx.Client, instances: Sequence[Leaving]) -> Withdrawn | None:
    """Its studies of a StudyInstanceUID (one for each PatientID), their instances, and of those ours."""
    left = 0
    for study, members in groupby(sorted(instances, key=_study), key=_study):
        ours = {each.sop_instance_uid for each in members}
        for identity in _held(client, study, ours):
            _delete(client, f"/instances/{identity}")
        left += len(_held(client, study, ours))
    return Withdrawn(left)


def _held(client: httpx.Client, study: str, ours: set[str]) -> list[str]:
    """Orthanc's ids of those of our instances that it holds."""
    found = _json(client, "POST", "/tools/lookup", study)
    ids = [each["ID"] for each in found if each["Type"] == "Study"]
    held = [each for identity in ids for each in _json(client, "GET", f"/studies/{identity}/instances")]
    return [each["ID"] for each in held if each["MainDicomTags"].get("SOPInstanceUID") in ours]


def _dicomweb(client: httpx.Client, instances: Sequence[Leaving]) -> Withdrawn | None:
    """DELETE …/instances/{uid}, which is no part of the Standard; what is left says QIDO-RS, where that is offered."""
    for each in instances:
        path = f"/studies/{each.study_instance_uid}/series/{each.series_instance_uid}/instances/{each.sop_instance_uid}"
        if not _delete(client, path):
            return None
    left = 0
    for (study, series), members in groupby(sorted(instances, key=_series), key=_series):
        found = find(client, study, series)
        if found is not None and found.instances is not None:
            left += len(found.instances & {each.sop_instance_uid for each in members})
    return Withdrawn(left)


WAYS: dict[str, Callable[[httpx.Client, Sequence[Leaving]], Withdrawn | None]] = {
    "orthanc-rest": _orthanc,
    "dicomweb-delete": _dicomweb,
}


def _study(each: Leaving) -> str:
    return each.study_instance_uid


def _series(each: Leaving) -> tuple[str, str]:
    return each.study_instance_uid, each.series_instance_uid


def _delete(client: httpx.Client, path: str) -> bool:
    """False: it is not offered. What is not there is as good as deleted."""
    answer = _request(client, "DELETE", path)
    if answer.status_code in NOT_OFFERED:
        return False
    if not answer.is_success and answer.status_code not in GONE:
        raise Unavailable(f"DELETE: HTTP {answer.status_code}")
    return True


def _json(client: httpx.Client, method: str, path: str, content: str | None = None) -> list[Any]:
    """A list of what there is; of what has gone meanwhile there is nothing."""
    answer = _request(client, method, path, content)
    if answer.status_code in GONE:
        return []
    try:
        found = answer.json() if answer.is_success else None
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise Unavailable(f"{method}: HTTP {answer.status_code} without a list")
    return found


def _request(client: httpx.Client, method: str, path: str, content: str | None = None) -> httpx.Response:
    try:
        return client.request(method, path, content=content)
    except httpx.TransportError as error:
        raise Unavailable(f"{method}: {type(error).__name__}") from error
