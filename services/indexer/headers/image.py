"""What the indexer knows of one instance after reading its header once."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from services.indexer.classification import classify
from services.indexer.classification.rules import Rules
from services.indexer.headers import fields, siemens
from services.indexer.headers.header import Header, read, with_creators
from shared.events import ReceivedInstance
from shared.log import logger
from shared.store import Store

log = logger("indexer")


@dataclass(frozen=True)
class Identity:
    """Who was examined, as this instance says it. Never logged, never in an event."""

    patient_id: str = ""
    issuer: str = ""
    patient_name: str = ""
    accession_number: str = ""
    details: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Image:
    """One instance: its event, the series JSON fields it gives, its identity, its types."""

    instance: ReceivedInstance
    fields: dict[str, Any]
    identity: Identity = Identity()
    types: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    expected: int | None = None
    readable: bool = True


@dataclass(frozen=True)
class Away:
    """An instance whose file the store does not give out now, and what the system calls that."""

    instance: ReceivedInstance
    error: str


class Reader:
    """Reads headers: which elements, by which rules, in which threads."""

    def __init__(self, store: Store, rules: Rules, executor: Executor, threads: int) -> None:
        self.store = store
        self.rules = rules
        self.executor = executor
        self.threads = threads
        self.wanted = with_creators(
            (
                *fields.TAGS.values(),
                *fields.LISTS.values(),
                *fields.OTHERS.values(),
                *siemens.TAGS,
                *rules.tags,
            )
        )

    async def read_all(self, instances: Iterable[ReceivedInstance]) -> "list[Image | Away]":
        """The images in the order of the instances; no file can make it fail, and one that is away costs no other."""
        todo = list(instances)
        loop = asyncio.get_running_loop()
        size = max(1, -(-len(todo) // self.threads))
        parts = [todo[start : start + size] for start in range(0, len(todo), size)]
        done = await asyncio.gather(*(loop.run_in_executor(self.executor, self.read_some, part) for part in parts))
        return [image for part in done for image in part]

    def read_some(self, instances: list[ReceivedInstance]) -> "list[Image | Away]":
        """Read one after another; what all images of a series share is read from its first only."""
        series: set[str] = set()
        images: list[Image | Away] = []
        for instance in instances:
            try:
                images.append(self.read(instance, first=instance.series_instance_uid not in series))
            except OSError as error:
                images.append(Away(instance, type(error).__name__))
            else:
                series.add(instance.series_instance_uid)
        return images

    def read(self, instance: ReceivedInstance, first: bool = True) -> Image:
        """Read one header; one that cannot be read is catalogued by what its event says."""
        uids = {
            "StudyInstanceUID": instance.study_instance_uid,
            "SeriesInstanceUID": instance.series_instance_uid,
            "SOPClassUID": instance.sop_class_uid,
        }
        path = self.store / instance.path
        try:
            header = read(path, self.wanted)
            found = fields.image_fields(header) | uids
            if siemens.is_siemens(header):
                found |= siemens.series_fields(header) if first else {}
                found |= siemens.image_fields(header, instance.sop_instance_uid, found.get("InstanceNumber"))
            verdict = classify.classify(header, found, self.rules)
            return Image(
                instance,
                found,
                _identity(header),
                verdict.types,
                verdict.refused,
                fields.expected_instances(header),
            )
        except OSError:
            # Not a broken header but a store that is not there: trying again helps.
            raise
        except Exception as error:
            log.warning("header unreadable", sop_instance_uid=instance.sop_instance_uid, error=type(error).__name__)
            return Image(instance, uids, readable=False)


DETAILS = (
    "PatientID",
    "PatientName",
    "StudyDescription",
    "StudyID",
    "InstitutionName",
    "OperatorsName",
)


def _identity(header: Header) -> Identity:
    details = {name: header.whole(fields.TAGS[name]) for name in DETAILS}
    details |= {name: header.whole(fields.OTHERS[name]) for name in ("ReferringPhysicianName", "PatientBirthDate")}
    return Identity(
        patient_id=details["PatientID"],
        issuer=header.whole(fields.OTHERS["IssuerOfPatientID"]),
        patient_name=details["PatientName"],
        accession_number=header.whole(fields.TAGS["AccessionNumber"]),
        details=details,
    )
