"""What routes ask for: the process's context and, by type, what a request must look like."""

import re
from datetime import date
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from services.api.idempotency import context_for
from services.api.settings import ApiSettings
from shared.database import DatabaseUnavailable
from shared.registry.attribute_paths import steps
from shared.registry.expressions import problem
from shared.service import Context
from shared.store import valid_uid


def context_of(request: Request) -> Context:
    """STOW-RS does not ask for it: what it takes goes to the journal, with or without a database."""
    context = context_for(request)
    if not context.database.migrated:
        raise DatabaseUnavailable("not reached since the start")
    return context


Ctx = Annotated[Context, Depends(context_of)]
"""The process's context; in a request with an Idempotency-Key, its last transaction waits for the answer."""


def _settings(request: Request) -> ApiSettings:
    settings: ApiSettings = request.app.state.settings
    return settings


Setting = Annotated[ApiSettings, Depends(_settings)]
"""The api's own settings."""

Limit = Annotated[int, Query(ge=1, le=1000, description="at most so many items")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="after so many items")]


ISO: Final = re.compile(r"\d{4}-\d\d-\d\d")


def _written(value: object) -> object:
    """A number would be taken for seconds since 1970, and a resend since 5 would be of everything."""
    if isinstance(value, str | int | float) and not ISO.match(str(value)):
        raise ValueError("not as ISO 8601 writes it: 2026-01-31")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
"""With its offset from UTC."""

Day = Annotated[date, BeforeValidator(_written)]


def _uid(text: str) -> str:
    if not valid_uid(text):
        raise ValueError("not a UID")
    return text


def _expression(text: str) -> str:
    if (why := problem(text)) is not None:
        raise ValueError(f"not a regular expression that is understood here: {why}")
    return text


def _attribute_path(text: str) -> str:
    steps(text)
    return text


def _word(excluded: str) -> Any:
    """A line of 64 characters without these; the schema says, too, that it neither begins nor ends with a space."""
    told = f"^[^{excluded}\\s]([^{excluded}]*[^{excluded}\\s])?$"
    return Field(min_length=1, max_length=64, pattern=f"^[^{excluded}]+$", json_schema_extra={"pattern": told})


def _trimmed(text: str) -> str:
    if text != text.strip():
        raise ValueError("begins or ends with a space")
    return text


Uid = Annotated[str, Field(max_length=64, json_schema_extra={"pattern": r"^[0-9]+(\.[0-9]+)*$"}), AfterValidator(_uid)]
"""A UID (PS3.5 §9.1)."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""The name of a destination: it may become a folder's."""

ProjectName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{5,20}$")]
"""The name of a project."""

Expression = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_expression)]
"""A regular expression that takes linear time."""

Participant = Annotated[str, _word(r"\\\x00-\x1f\x7f"), AfterValidator(_trimmed)]
"""A pseudonym; it will be a PatientID (VR LO)."""

EventName = Participant
"""A project's word for a visit."""

AttributePath = Annotated[str, Field(max_length=250), AfterValidator(_attribute_path)]
"""A keyword, a tag, a way into sequences, or a private element by its creator."""

AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[\x20-\x5b\x5d-\x7e]+$")]
"""PS3.5 §6.2, VR AE."""

Line = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A name or a word of one line; it may be empty."""

Prose = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
"""What a person has to say."""

Site = Annotated[str, _word(r"\x00-\x1f\x7f"), AfterValidator(_trimmed)]
"""The name of a data access group."""

LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")

Login = Annotated[str, Field(max_length=64, pattern=f"^{LOGIN.pattern}$")]
"""What an account is called: lower-case, so that nobody is another by a capital."""

ProviderName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
"""The name of a provider of OpenID Connect."""

IDENTITY = re.compile(r"[0-9A-Za-z-]{1,36}")

Identity = Annotated[str, Field(pattern=f"^{IDENTITY.pattern}$")]
"""An id that this gateway has given."""
