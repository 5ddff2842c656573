"""Who else may vouch for people: the file that FIONA_API_SIGN_IN names, with LDAP servers and OIDC providers in it."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from services.api.actor import EVERY_PROJECT, ProjectRole, SystemRole

Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
Project = Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]{5,20}|\*)$")]
LOGIN: Final = "{login}"
DN: Final = "{dn}"


class SignInFileError(ValueError):
    """The file is not right; the text says where."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Grant(_Part):
    """What a group gives: roles of the gateway, or in a project."""

    group: str = Field(min_length=1, description="a DN or a name, capitals or not")
    system: tuple[SystemRole, ...] = ()
    project: Project | None = None
    roles: tuple[ProjectRole, ...] = ()
    sites: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _gives_something(self) -> Self:
        if bool(self.roles) != (self.project is not None) or not (self.system or self.roles):
            raise ValueError("system, or project and roles")
        if self.sites and self.project in (None, EVERY_PROJECT):
            raise ValueError("sites are of one project")
        return self


class Ldap(_Part):
    """A directory; several are asked in their order."""

    name: Name
    url: str = Field(pattern=r"^ldaps?://[^/@?]+/?$")
    starttls: bool = False
    ca: Path | None = Field(default=None, description="PEM of whoever signs its certificate; none: the system's")
    bind_dn: str = Field(default="", description="the account that searches; empty: nobody")
    password_file: Path | None = None
    base: str
    filter: str = Field(default=f"(uid={LOGIN})", description="finds one person")
    login_attribute: str = "uid"
    name_attribute: str = "cn"
    mail_attribute: str = "mail"
    id_attribute: str = Field(default="entryUUID", description="what stays when a person is renamed")
    group_attribute: str = Field(default="memberOf", description="empty: none has one")
    group_base: str = Field(default="", description="where groups are searched that name their members; empty: nowhere")
    group_filter: str = f"(member={DN})"
    timeout: float = Field(default=5, gt=0, description="seconds")
    grants: tuple[Grant, ...] = ()

    @property
    def host(self) -> str:
        """Its name."""
        return urlsplit(self.url).hostname or ""

    @property
    def ssl(self) -> bool:
        """Whether it speaks TLS from the beginning."""
        return self.url.startswith("ldaps:")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if not self.ssl and not self.starttls and not _loopback(self.host):
            raise ValueError("ldaps:// or starttls: passwords go over it")
        if LOGIN not in self.filter:
            raise ValueError(f"filter has no {LOGIN} in it")
        if self.group_base and DN not in self.group_filter:
            raise ValueError(f"group_filter has no {DN} in it")
        if bool(self.bind_dn) != (self.password_file is not None):
            raise ValueError("bind_dn and password_file belong together")
        return self


class Oidc(_Part):
    """A provider of OpenID Connect; people choose it by its name."""

    name: Name
    title: str = Field(default="", description="on the button; empty: the name")
    issuer: str = Field(pattern=r"^https?://[^?#]+$")
    client_id: str
    client_secret_file: Path | None = Field(default=None, description="none: a public client, PKCE alone")
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    login_claim: str = "preferred_username"
    name_claim: str = "name"
    mail_claim: str = "email"
    groups_claim: str = Field(default="groups", description="a dot leads into an object: realm_access.roles")
    timeout: float = Field(default=10, gt=0, description="seconds")
    grants: tuple[Grant, ...] = ()

    @field_validator("issuer")
    @classmethod
    def _over_tls(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        if parts.scheme != "https" and not _loopback(parts.hostname or ""):
            raise ValueError("https: what it says is believed")
        return issuer

    @field_validator("scopes")
    @classmethod
    def _openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes:
            raise ValueError("openid is one of them")
        return scopes


class Elsewhere(_Part):
    """The whole file."""

    local: bool = Field(default=True, description="whether passwords of local accounts are taken")
    ldap: tuple[Ldap, ...] = ()
    oidc: tuple[Oidc, ...] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [each.name for each in self.ldap] + [each.name for each in self.oidc]
        if len(set(names)) != len(names):
            raise ValueError("two have the same name")
        return self

    def provider(self, name: str) -> Oidc | None:
        """The provider of this name."""
        return next((each for each in self.oidc if each.name == name), None)


def read(path: Path | None) -> Elsewhere:
    """The file; nobody else vouches when there is none. SignInFileError when it is not right."""
    if path is None:
        return Elsewhere()
    try:
        return Elsewhere.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise SignInFileError(f"{path}: {faults}") from None
    except (OSError, yaml.YAMLError) as error:
        raise SignInFileError(f"{path}: {type(error).__name__}") from None


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
