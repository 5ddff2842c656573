"""The links by which people find what is in the archive, as the original lays them out.

Names that come from a header are made harmless first: whatever a PatientID holds, its link stays one level
below `participants/`.
"""

import re
from hashlib import sha256
from typing import Any

from shared.store import Store

UNKNOWN = "unknown"
LENGTH_LIMIT = 64


def safe_name(text: str, otherwise: str = UNKNOWN) -> str:
    """One path component that resembles the text; different texts that had to be changed stay different."""
    stripped = text.strip()
    if not stripped:
        return otherwise
    name = re.sub(r"[^\w.+=@^ -]", "_", stripped).lstrip(".")[:LENGTH_LIMIT]
    while len(name.encode()) > 200:
        name = name[:-1]
    return name if name == stripped else f"{name}~{sha256(stripped.encode('utf-8', 'replace')).hexdigest()[:8]}"


def participant(fields: dict[str, Any]) -> str:
    """`participants/<PatientID>/<StudyDate>_<StudyTime>`, with `unknown` for what is not there."""
    date, time = (safe_name(fields.get(name, "")) for name in ("StudyDate", "StudyTime"))
    return f"participants/{safe_name(fields.get('PatientID', ''))}/{date}_{time}"


def report(fields: dict[str, Any], study_uid: str, sop_uid: str) -> str | None:
    """`srs/<Manufacturer or _>/<StudyUID>/<SOP>` for a structured report."""
    if "SR" not in fields.get("Modality", ()):
        return None
    return f"srs/{safe_name(fields.get('Manufacturer', ''), '_')}/{study_uid}/{sop_uid}"


def free(store: Store, place: str, target: str) -> str:
    """The place, or, if it leads to another study already, the place with the study's UID after it."""
    link = store / place
    if link.is_symlink() and link.readlink().name != target.rsplit("/", 1)[-1]:
        return f"{place}_{target.rsplit('/', 1)[-1]}"
    return place
