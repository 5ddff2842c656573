"""Who may ask: accounts, what they are in projects, and how they were recognised. Written by the api."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, new_id, now

LOGIN = String(64)
DIGEST = String(64)


class Account(Base):
    """Somebody who may sign in; a login is lower-case, and once given never another person's."""

    __tablename__ = "accounts"
    login: Mapped[str] = mapped_column(LOGIN, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), default="", doc="for people")
    mail: Mapped[str] = mapped_column(String(254), default="", index=True, doc="lower-case; empty: none is known")
    origin: Mapped[str] = mapped_column(String(8), default="local", doc="local, ldap or oidc: who checks the password")
    subject: Mapped[str | None] = mapped_column(
        String(300), unique=True, doc="what the directory or provider calls the person for good; None: local"
    )
    password: Mapped[str | None] = mapped_column(String(200), doc="argon2; None: cannot sign in by password here")
    disabled: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    system_roles: Mapped[list[str]] = mapped_column(default=list, doc="given by an administrator")
    mapped_roles: Mapped[list[str]] = mapped_column(default=list, doc="of a directory's groups, at the last sign-in")
    created_at: Mapped[datetime] = mapped_column(default=now)
    signed_in_at: Mapped[datetime | None]


class Membership(Base):
    """What an account is in a project; the project `*` is every one. Those of a directory's groups are rows apart."""

    __tablename__ = "memberships"
    account: Mapped[str] = mapped_column(ForeignKey("accounts.login"), primary_key=True)
    project: Mapped[str] = mapped_column(String(20), primary_key=True, index=True)
    origin: Mapped[str] = mapped_column(String(8), primary_key=True, default="local", doc="local, ldap or oidc")
    roles: Mapped[list[str]] = mapped_column(default=list)
    sites: Mapped[list[str]] = mapped_column(default=list, doc="data access groups one is bound to; empty: all")
    granted_by: Mapped[str] = mapped_column(LOGIN, default="")
    created_at: Mapped[datetime] = mapped_column(default=now)


class WebSession(Base):
    """A sign-in that lasts: what the client holds is kept as a digest only."""

    __tablename__ = "sessions"
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True, doc="SHA-256 (hex) of what the client holds")
    account: Mapped[str] = mapped_column(ForeignKey("accounts.login"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now, doc="to the minute")
    expires_at: Mapped[datetime] = mapped_column(index=True, doc="whatever is done with it")
    refresh: Mapped[bytes | None] = mapped_column(doc="refresh token (OIDC), encrypted; None: nobody is asked again")
    vouched_at: Mapped[datetime | None] = mapped_column(doc="when the provider was last asked")


class ApiToken(Base):
    """A program's credential: never more than its owner may at the moment, kept as a digest only."""

    __tablename__ = "api_tokens"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    digest: Mapped[str] = mapped_column(DIGEST, unique=True, doc="SHA-256 (hex)")
    prefix: Mapped[str] = mapped_column(String(16), doc="how it begins, so that people tell theirs apart")
    name: Mapped[str] = mapped_column(String(100))
    account: Mapped[str] = mapped_column(ForeignKey("accounts.login"), index=True)
    project: Mapped[str | None] = mapped_column(String(20), index=True, doc="the only one it is for; None: any")
    scopes: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None] = mapped_column(doc="to the minute")


class SignInTally(Base):
    """Failed sign-ins of an account or an address since a moment; replicas count together."""

    __tablename__ = "sign_in_tallies"
    key: Mapped[str] = mapped_column(DIGEST, primary_key=True, doc="keyed hash of the login or the address, hex")
    failures: Mapped[int] = mapped_column(default=0)
    since: Mapped[datetime] = mapped_column(default=now, index=True)


class PasswordReset(Base):
    """A link that was mailed: whoever holds it may set a new password, once and soon."""

    __tablename__ = "password_resets"
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True, doc="SHA-256 (hex) of what was mailed")
    account: Mapped[str] = mapped_column(ForeignKey("accounts.login"), index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
