"""What is known of a study that somebody may claim: from the catalogue, its identities, and files where rules ask."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.crypto import Vault
from shared.dicom.apart import CannotRead
from shared.dicom.attributes import MOST_FILES, values_at
from shared.log import logger
from shared.registry.attribute_paths import keyword
from shared.registry.matching import Candidate
from shared.registry.resemblance import Person
from shared.store import Store
from shared.tables import Instance, RoutingRule, Series, Study, StudyIdentity

log = logger("registry")

OF_PERSONS: Final = {
    "PatientID": "patient_id",
    "PatientName": "patient_name",
    "AccessionNumber": "accession_number",
    "PatientBirthDate": "birth_date",
}
"""Attributes that say who it is, and what a candidate calls them."""

OF_STUDIES: Final = frozenset(("StudyDescription", "StudyID", "ReferringPhysicianName"))
"""Attributes that are kept with a study's identities, and are the same in all of it (PS3.3 §C.7.2.1).

OperatorsName and InstitutionName are kept of its first instance, and may be others in its other series.
"""

OF_SERIES: Final = frozenset(
    ("Manufacturer", "ManufacturerModelName", "SeriesDescription", "SeriesNumber", "StationName", "SequenceName")
)
"""Attributes of one value that the catalogue keeps of a series; any other is read from the series' first file."""


async def candidate_of(
    session: AsyncSession, vault: Vault, store: Store, study_uid: str, rules: Iterable[RoutingRule]
) -> Candidate | None:
    """The study as matching wants it, with the attributes that these rules look at; None: it is not here."""
    study = await session.get(Study, study_uid)
    if study is None:
        return None
    details, accession_number = await _identities(session, vault, study_uid)
    attributes, unread = await _attributes(session, store, study_uid, details, paths_of(rules))
    return Candidate(
        study_instance_uid=study_uid,
        accession_hash=study.accession_hash,
        calling_aet=study.calling_aet,
        called_aet=study.called_aet,
        patient_id=details.get("PatientID", ""),
        patient_name=details.get("PatientName", ""),
        accession_number=accession_number,
        birth_date=details.get("PatientBirthDate", ""),
        attributes=attributes,
        unread=unread,
    )


async def candidate_of_header(
    content: bytes, calling_aet: str | None, called_aet: str | None, rules: Iterable[RoutingRule]
) -> Candidate:
    """A study of which one header is all that is known; CannotRead when it is no DICOM."""
    paths = paths_of(rules)
    (values,) = await values_at(content, sorted(paths | OF_PERSONS.keys()))
    if not any(values.values()):
        raise CannotRead("it is no DICOM file, or its beginning is missing")
    said = {name: "".join(values[attribute][:1]) for attribute, name in OF_PERSONS.items()}
    return Candidate(
        study_instance_uid="",
        accession_hash=None,
        calling_aet=calling_aet,
        called_aet=called_aet,
        patient_id=said["patient_id"],
        patient_name=said["patient_name"],
        accession_number=said["accession_number"],
        birth_date=said["birth_date"],
        attributes={path: tuple(values[path]) for path in paths},
    )


async def person_of(session: AsyncSession, vault: Vault, study_uid: str) -> Person:
    """Whose study it is, for no more than to see that a participant is not called after them."""
    details, accession_number = await _identities(session, vault, study_uid)
    return Person(
        patient_id=details.get("PatientID", ""),
        patient_name=details.get("PatientName", ""),
        accession_number=accession_number,
        birth_date=details.get("PatientBirthDate", ""),
    )


async def _identities(session: AsyncSession, vault: Vault, study_uid: str) -> tuple[dict[str, str], str]:
    identity = await session.get(StudyIdentity, study_uid)
    if identity is None:
        return {}, ""
    details: dict[str, str] = json.loads(vault.decrypt(identity.details))
    return details, vault.decrypt(identity.accession_number)


def paths_of(rules: Iterable[RoutingRule]) -> set[str]:
    """The attribute paths that rules look at."""
    return {rule.attribute for rule in rules if rule.attribute}


async def _attributes(
    session: AsyncSession, store: Store, study_uid: str, details: Mapping[str, str], paths: set[str]
) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """What stands there, and of which paths that cannot be said."""
    if not paths:
        return {}, frozenset()
    unread: frozenset[str] = frozenset()
    found: dict[str, list[str]] = defaultdict(list)
    series = list(await session.scalars(select(Series.header).where(Series.study_instance_uid == study_uid)))
    in_files = []
    for path in sorted(paths):
        name = keyword(path)
        if name in OF_STUDIES:
            found[path] += [details[name]] if details.get(name) else []
        elif name in OF_SERIES:
            found[path] += [str(header[name]) for header in series if header.get(name)]
        else:
            in_files.append(path)
    if in_files:
        try:
            of_files = await _from_files(session, store, study_uid, in_files)
        except CannotRead as error:
            log.warning("attributes unreadable", study_instance_uid=study_uid, why=str(error))
            of_files, unread = [], frozenset(in_files)
        for values in of_files:
            for path, some in values.items():
                found[path] += some
    return {path: tuple(dict.fromkeys(some)) for path, some in found.items()}, unread


async def _from_files(
    session: AsyncSession, store: Store, study_uid: str, paths: list[str]
) -> list[dict[str, list[str]]]:
    """From the first file of each series. One that is no DICOM says nothing; CannotRead: none of them can be read."""
    first = (
        select(func.min(Instance.path))
        .where(Instance.study_instance_uid == study_uid)
        .group_by(Instance.series_instance_uid)
        .order_by(Instance.series_instance_uid)
        .limit(MOST_FILES)
    )
    return await values_at([store / path for path in await session.scalars(first)], paths)
