"""The answer to a store request: PS3.18 §10.5.3 (statuses) and Annex I (the dataset), as DICOM JSON."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.api.stow.part import KEPT, Stored
from shared.journal import Refusal
from shared.store import valid_uid

MEDIA_TYPE = "application/dicom+json"

RETRIEVE_URL = "00081190"
FAILED_SOP_SEQUENCE = "00081198"
REFERENCED_SOP_SEQUENCE = "00081199"
OTHER_FAILURES_SEQUENCE = "0008119A"
REFERENCED_SOP_CLASS_UID = "00081150"
REFERENCED_SOP_INSTANCE_UID = "00081155"
FAILURE_REASON = "00081197"


def acceptable(accept: str) -> bool:
    """Whether an Accept header takes DICOM JSON (RFC 9110 §12.5.1; none takes anything)."""
    if not accept.strip():
        return True
    taken = {MEDIA_TYPE, "application/json", "application/*", "*/*"}
    for one in accept.split(","):
        kind, *parameters = (each.strip().lower() for each in one.split(";"))
        refused = any(each.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for each in parameters)
        if kind in taken and not refused:
            return True
    return False


def status(results: Sequence[Stored]) -> int:
    """200: all are kept. 202: some. 409: none. 503: none, because the disk is full."""
    kept = sum(each.outcome.kind in KEPT for each in results)
    if kept == len(results):
        return 200
    if kept:
        return 202
    full = all(each.outcome.refusal is Refusal.OUT_OF_RESOURCES for each in results)
    return 503 if full else 409


def dataset(results: Iterable[Stored]) -> dict[str, Any]:
    """The Store Instances Response Module: what can be named is named, what cannot is another failure.

    There is no WADO-RS here, so the Retrieve URLs (type 2) are empty.
    """
    sequences: dict[str, list[dict[str, Any]]] = {}
    for each in results:
        tag, item = _item(each)
        sequences.setdefault(tag, []).append(item)
    answer: dict[str, Any] = {RETRIEVE_URL: {"vr": "UR"}}
    return answer | {tag: {"vr": "SQ", "Value": sequences[tag]} for tag in sorted(sequences)}


def _item(stored: Stored) -> tuple[str, dict[str, Any]]:
    named = valid_uid(stored.sop_class_uid) and valid_uid(stored.sop_instance_uid)
    item = {}
    if named:
        item[REFERENCED_SOP_CLASS_UID] = {"vr": "UI", "Value": [stored.sop_class_uid]}
        item[REFERENCED_SOP_INSTANCE_UID] = {"vr": "UI", "Value": [stored.sop_instance_uid]}
    if stored.outcome.kind in KEPT:
        return REFERENCED_SOP_SEQUENCE, item | {RETRIEVE_URL: {"vr": "UR"}}
    reason = {FAILURE_REASON: {"vr": "US", "Value": [stored.outcome.status]}}
    return FAILED_SOP_SEQUENCE if named else OTHER_FAILURES_SEQUENCE, item | reason
