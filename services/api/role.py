"""The reviewer's role: who presents its token may see what is hidden from everybody else.

Values that stopped an instance, texts and pictures of pixels before they were hidden, what reviewers wrote, the keys of
projects. Without a token in the settings nobody has the role.
"""

from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from services.api.problems import Problem

bearer = HTTPBearer(auto_error=False, description="FIONA_API_REVIEWER_TOKEN", scheme_name="reviewer")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


class Role:
    """Who has it."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = None if token is None else token.get_secret_value().encode()

    @property
    def exists(self) -> bool:
        """Whether anybody can have it."""
        return self._token is not None

    def proven(self, presented: str | None) -> bool:
        """Whether this is the token; in the same time however much of it is right."""
        return self._token is not None and presented is not None and compare_digest(presented.encode(), self._token)


def _has_role(request: Request, credentials: Credentials) -> bool:
    role: Role = request.app.state.role
    if credentials is None:
        return False
    if not role.proven(credentials.credentials):
        # A wrong token is a mistake that its owner wants to hear of, even where none was needed.
        raise Problem("reviewer-only", "the token is not the reviewer's")
    return True


def _needs_role(request: Request, has_role: Annotated[bool, Depends(_has_role)]) -> None:
    role: Role = request.app.state.role
    if not has_role:
        raise Problem("reviewer-only", None if role.exists else "no reviewer's token is set (FIONA_API_REVIEWER_TOKEN)")


def _may_release(request: Request, has_role: Annotated[bool, Depends(_has_role)]) -> bool:
    role: Role = request.app.state.role
    return has_role or not role.exists


HasRole = Annotated[bool, Depends(_has_role)]
"""Whether the request has the role; a problem when it only claims so."""

MayRelease = Annotated[bool, Depends(_may_release)]
"""Whether the request may let pass what was stopped: where the role exists, only with it."""

ROLE_ONLY = Depends(_needs_role)
"""A problem unless the request has the role."""
