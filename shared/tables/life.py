"""The life of projects: applications, who asks for access, each step, and work that takes its time. Written by the api
when people decide, and by the registry service when time does, both through shared.registry.life."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, new_id, now
from shared.tables.indexer import UID


class Contract(Base):
    """A text to which somebody has agreed; kept as it was."""

    __tablename__ = "contracts"
    version: Mapped[str] = mapped_column(String(64), primary_key=True, doc="SHA-256 (hex) of the text")
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Application(Base):
    """Somebody would like to have a project; an administrator says yes or no."""

    __tablename__ = "applications"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(String(20), index=True, doc="the name that it shall have")
    state: Mapped[str] = mapped_column(String(10), default="applied", index=True, doc="applied, approved or rejected")
    wish: Mapped[dict[str, Any]] = mapped_column(default=dict, doc="as it was asked for")
    applicant: Mapped[str] = mapped_column(String(100), default="")
    contract: Mapped[str] = mapped_column(String(64), doc="version of the contract that the applicant has agreed to")
    agreed_at: Mapped[datetime] = mapped_column(default=now)
    decided_by: Mapped[str] = mapped_column(String(100), default="")
    decided_at: Mapped[datetime | None]
    reason: Mapped[bytes | None] = mapped_column(LargeBinary, doc="encrypted: people write names")
    created_at: Mapped[datetime] = mapped_column(default=now)


class AccessRequest(Base):
    """Somebody would like to work in a project; its owner says yes or no."""

    __tablename__ = "access_requests"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(String(20), index=True)
    person: Mapped[str] = mapped_column(String(100), doc="who asks, and for whom")
    role: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(10), default="asked", doc="asked, granted or declined")
    decided_by: Mapped[str] = mapped_column(String(100), default="")
    decided_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class ProjectStep(Base):
    """Something that happened to a project as a whole; what has a `once` happens once."""

    __tablename__ = "project_steps"
    __table_args__ = (UniqueConstraint("project", "once"),)
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    project: Mapped[str] = mapped_column(String(20), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(String(300), default="", doc="free of PHI")
    by: Mapped[str] = mapped_column(String(100), default="", doc="empty: the registry's clock")
    once: Mapped[str | None] = mapped_column(String(100))
    at: Mapped[datetime] = mapped_column(default=now)


class ProjectWork(Base):
    """Something to be done with a whole project, for longer than a transaction; again and again until it is done."""

    __tablename__ = "project_work"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(String(20), index=True)
    kind: Mapped[str] = mapped_column(String(10), doc="export, anonymise or delete")
    export: Mapped[str | None] = mapped_column(String(36), doc="the one to be made, or that was confirmed")
    state: Mapped[str] = mapped_column(String(10), default="waiting", index=True, doc="waiting, done or dropped")
    tries: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(String(200), doc="of the last try, free of PHI")
    next_try_at: Mapped[datetime] = mapped_column(default=now, doc="in hand or resting until then")
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


class ProjectLeftover(Base):
    """A study of a deleted project that lies at a destination until somebody has removed it there by hand."""

    __tablename__ = "project_leftovers"
    project: Mapped[str] = mapped_column(String(20), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True, doc="as the destination knows it")
    done_by: Mapped[str] = mapped_column(String(100), default="")
    done_at: Mapped[datetime | None]


class ProjectExport(Base):
    """A project's data in one file, for its PI; the `final` one is confirmed before anything goes."""

    __tablename__ = "project_exports"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(String(20), index=True)
    final: Mapped[bool] = mapped_column(default=False, doc="made when the archive's time was over")
    state: Mapped[str] = mapped_column(String(10), default="asked", doc="asked, ready, confirmed or gone")
    path: Mapped[str] = mapped_column(String(200), default="", doc="relative to the store")
    sha256: Mapped[str] = mapped_column(String(64), default="")
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    instances: Mapped[int] = mapped_column(default=0)
    missing: Mapped[int] = mapped_column(default=0, doc="instances that were de-identified and are held no more")
    asked_by: Mapped[str] = mapped_column(String(100), default="")
    confirmed_by: Mapped[str] = mapped_column(String(100), default="")
    confirmed_at: Mapped[datetime | None]
    made_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
