"""A study goes from the archive and from the catalogue, with all links to it and with whom it was of."""

import json
import shutil
from contextlib import suppress
from typing import Any

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer import places
from shared.crypto import Vault
from shared.store import Store
from shared.tables import (
    Assignment,
    AssociationInstance,
    Instance,
    InstanceConflict,
    Patient,
    PatientIdentity,
    Series,
    Study,
    StudyIdentity,
)


async def wanted(session: AsyncSession, study_uid: str) -> bool:
    """Whether a project holds the study (again)."""
    in_force = Assignment.study_instance_uid == study_uid, Assignment.refused.is_(None)
    return bool(await session.scalar(select(exists().where(*in_force))))


async def named_by(session: AsyncSession, vault: Vault, study_uid: str) -> dict[str, Any]:
    """The attributes by which a study's link is called."""
    study, identity = await session.get(Study, study_uid), await session.get(StudyIdentity, study_uid)
    details = json.loads(vault.decrypt(identity.details)) if identity else {}
    date, time = (study.study_date, study.study_time) if study else (None, None)
    return {"PatientID": details.get("PatientID", ""), "StudyDate": date or "", "StudyTime": time or ""}


def remove_files(store: Store, study_uid: str, fields: dict[str, Any]) -> None:
    """Links first, so that none of them ever leads nowhere. Raises OSError when something stays."""
    place = places.participant(fields)
    for name in (place, f"{place}_{study_uid}"):
        link = store / name
        if link.is_symlink() and link.readlink().name == study_uid:
            link.unlink()
            with suppress(OSError):
                link.parent.rmdir()
    folders = [store / f"raw/{study_uid}", store / f"archive/scp_{study_uid}"]
    folders += (store / "srs").glob(f"*/{study_uid}")
    for folder in folders:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)


async def remove_rows(session: AsyncSession, study_uid: str) -> None:
    """The study's rows, and its patient's when there is no other study of theirs."""
    study = await session.get(Study, study_uid)
    of_study = select(Series.series_instance_uid).where(Series.study_instance_uid == study_uid)
    await session.execute(delete(AssociationInstance).where(AssociationInstance.series_instance_uid.in_(of_study)))
    for table in (InstanceConflict, Instance, Series, StudyIdentity, Study):
        await session.execute(delete(table).where(table.study_instance_uid == study_uid))
    if study is None or await session.scalar(select(exists().where(Study.patient == study.patient))):
        return
    for each in (PatientIdentity, Patient):
        await session.execute(delete(each).where(each.id == study.patient))
