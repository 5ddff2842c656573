"""What a person can do about an instance in quarantine, by the rule that stopped it."""

from typing import Final

from deidentification.errors import RELEASABLE

PIXELS: Final = "look at the image: release it, or let the profile clean such pixels and repeat, or drop it"
VALUE: Final = "look at the value: release it if it is nobody's, or let the profile remove it and repeat, or drop it"
DOCUMENT: Final = "read the document: release it, or let the profile leave such out and repeat, or drop it"
WHOLE: Final = "it cannot be read whole: drop it, or repeat when its file in the archive has been put right"
ENDLESS: Final = "de-identifying it came to no end: repeat where there is more time and memory, or drop it"
PROFILE: Final = "change the project's profile and repeat, or drop it"
AGAIN: Final = "repeat: what stops it then is noted, or drop it"

ADVICE: Final[dict[str, str]] = {
    **dict.fromkeys(("text-in-pixels", "burned-in", "overlay-in-pixels", "pixel-text"), PIXELS),
    **dict.fromkeys(("gate-name", "gate-id", "gate-date", "gate-uid", "gate-text"), VALUE),
    "encapsulated-document": DOCUMENT,
    **dict.fromkeys(
        (
            *("not-dicom", "truncated", "lying-length", "structure", "encoding", "malformed", "missing", "unreadable"),
            *("deflate", "inflated-too-large", "header-too-large", "nesting", "offset-table", "compressed-header"),
            *("identity", "conflict", "unknown-vr", "un-sequence", "transfer-syntax"),
            *("pixel-decode", "pixel-description", "pixel-encapsulation", "pixel-length", "pixel-size", "pixel-vr"),
            *("character-set", "dicomdir"),
        ),
        WHOLE,
    ),
    **dict.fromkeys(("crashed", "memory", "timeout"), ENDLESS),
    "": AGAIN,
}


def advice(rule: str) -> str:
    """What can be done about what this rule has stopped."""
    return ADVICE.get(rule, PROFILE)


def refused(rules: set[str]) -> list[str]:
    """Of these rules, those that nobody can waive, each with what can be done instead."""
    return [f"{rule or 'no rule noted'}: {advice(rule)}" for rule in sorted(rules - RELEASABLE)]
