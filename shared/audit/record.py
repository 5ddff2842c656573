"""One thing that somebody did, saw or was refused, as it is told to the audit."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.tables.base import new_id, now

ASKED: Final = "asked"
"""The outcome of a record that was made before the thing was done: one of the same id, with the outcome, follows."""

Outcome = Literal["asked", "done", "refused", "failed", "unanswered"]


class Record(BaseModel):
    """Identifiers, pseudonyms and counts: never a name, a patient id, an accession number or free text."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    id: str = Field(default_factory=new_id)
    at: datetime = Field(default_factory=now)
    actor: str = Field(default="", max_length=100)
    actor_kind: str = Field(default="", max_length=16)
    operation: str = Field(max_length=64)
    method: str = Field(default="", max_length=8)
    outcome: Outcome
    status: int | None = None
    address: str = Field(default="", max_length=64)
    project: str | None = Field(default=None, max_length=20)
    study_instance_uid: str | None = Field(default=None, max_length=64)
    participant: str | None = Field(default=None, max_length=64)
    details: dict[str, Any] = {}
    correlation: str = Field(default="", max_length=36)
