"""A study goes from the archive and from the catalogue, with all links to it and with whom it was of."""

import json
import shutil
from collections import Counter
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
    in_force = Assignment.study_instance_uid == study_uid, Assignment.in_force
    return bool(await session.scalar(select(exists().where(*in_force))))


async def named_by(session: AsyncSession, vault: Vault, study_uid: str) -> dict[str, Any]:
    """The attributes by which a study's link is called."""
    study, identity = await session.get(Study, study_uid), await session.get(StudyIdentity, study_uid)
    details = json.loads(vault.decrypt(identity.details)) if identity else {}
    date, time = (study.study_date, study.study_time) if study else (None, None)
    return {"PatientID": details.get("PatientID", ""), "StudyDate": date or "", "StudyTime": time or ""}


def remove_files(store: Store, study_uid: str, fields: dict[str, Any]) -> None:
    """Links first, so that none of them ever leads nowhere. Raises OSError when something stays."""
    remove_links(store, study_uid, fields)
    with suppress(FileNotFoundError):
        shutil.rmtree(store / f"archive/scp_{study_uid}")


def remove_links(store: Store, study_uid: str, fields: dict[str, Any]) -> None:
    """All links to a study's files and what describes them. Raises OSError when something stays."""
    place = places.participant(fields)
    for name in (place, f"{place}_{study_uid}"):
        link = store / name
        if link.is_symlink() and link.readlink().name == study_uid:
            link.unlink()
            with suppress(OSError):
                link.parent.rmdir()
    folders = [store / f"raw/{study_uid}", *(store / "srs").glob(f"*/{study_uid}")]
    for folder in folders:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)


def count_files(store: Store, study_uid: str) -> int:
    """How many files the archive has of a study."""
    return sum(path.is_file() for path in (store / f"archive/scp_{study_uid}").rglob("*"))


async def remove_rows(session: AsyncSession, study_uid: str) -> Counter[str]:
    """The study's rows, and its patient's when there is no other study of theirs; how many those were."""
    study = await session.get(Study, study_uid)
    of_study = select(Series.series_instance_uid).where(Series.study_instance_uid == study_uid)
    await session.execute(delete(AssociationInstance).where(AssociationInstance.series_instance_uid.in_(of_study)))
    instances = await session.execute(
        delete(Instance).where(Instance.study_instance_uid == study_uid).returning(Instance.sop_instance_uid)
    )
    gone = Counter({"studies": int(study is not None), "instances": len(instances.all())})
    for table in (InstanceConflict, Series, StudyIdentity, Study):
        await session.execute(delete(table).where(table.study_instance_uid == study_uid))
    if study is None or await session.scalar(select(exists().where(Study.patient == study.patient))):
        return gone
    for each in (PatientIdentity, Patient):
        await session.execute(delete(each).where(each.id == study.patient))
    return gone + Counter({"patients": 1})
