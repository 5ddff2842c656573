"""What was found in pixels, for the reviewer: boxes and pictures as files, and sealed what was read there."""

import json
from base64 import b64encode
from collections.abc import Mapping

from deidentification.pixels.findings import Findings
from shared.crypto import Vault
from shared.events import TransferRequested
from shared.store import Store


def write_findings(store: Store, vault: Vault, event: TransferRequested, found: Mapping[str, Findings]) -> None:
    """Write the files of a part, by new SOP Instance UID; a second time replaces them by the same.

    `.json` (boxes, confidences, frames; no text), `.after.png` (the result) and `.sealed`: encrypted JSON of the
    same boxes with their texts, and the picture as it was.
    """
    for uid, findings in found.items():
        place = store.findings(event.transfer, event.series_instance_uid, event.revision, uid)
        if findings.before or findings.frames:
            secret = {"findings": json.loads(findings.as_json(with_text=True)), "before": _text(findings.before)}
            store.write(f"{place}.sealed", vault.encrypt(json.dumps(secret)))
        if findings.after:
            store.write(f"{place}.after.png", findings.after)
        store.write(f"{place}.json", findings.as_json().encode())


def _text(picture: bytes) -> str:
    return b64encode(picture).decode()
