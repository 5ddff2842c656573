"""The contract that an applicant agrees to, and the version by which it is known: a hash of its text."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

SHIPPED = Path(__file__).with_name("contract.md")


@dataclass(frozen=True)
class Terms:
    """A text and its version."""

    version: str
    text: str


def terms(path: Path | None) -> Terms:
    """The operator's own text, or the one that is shipped. Raises OSError."""
    text = (path or SHIPPED).read_text("utf-8")
    return Terms(sha256(text.encode()).hexdigest(), text)
