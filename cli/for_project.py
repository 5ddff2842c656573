"""Who the studies of a `send --project` will be: decided before anything is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cli.client import Client, Item, segment, wait
from cli.dicom.files import Sendable
from cli.failure import Code, Failure
from shared.registry.expressions import fits, is_open

PATIENCE = 120.0
"""Seconds that cataloguing may take."""


@dataclass(frozen=True)
class Plan:
    """StudyInstanceUID -> participant, in one project and event."""

    project: str
    event: str
    participants: dict[str, str]

    @classmethod
    def of(
        cls, client: Client, sendable: Sequence[Sendable], project: str, participant: str | None, event: str
    ) -> Self:
        """The participant that was named, or the PatientID of each study where it fits the project's pattern."""
        pattern = str(client.get(f"/projects/{segment(project)}")["participant_pattern"])
        first = {file.study_instance_uid: file for file in reversed(sendable) if file.study_instance_uid}
        if participant:
            return cls(project, event, dict.fromkeys(first, participant))
        if is_open(pattern):
            raise Failure(f"{project} has no naming pattern: say --participant", Code.USAGE)
        participants = {study: patient_id(file) for study, file in first.items()}
        strangers = sum(not fits(pattern, name) for name in participants.values())
        if strangers:
            raise Failure(
                f"the PatientID of {strangers} of {len(participants)} studies does not fit the naming pattern of "
                f"{project} ({pattern}): say --participant",
                Code.USAGE,
            )
        return cls(project, event, participants)


def patient_id(file: Sendable) -> str:
    """The PatientID of a file."""
    from pydicom import config, dcmread

    config.settings.reading_validation_mode = config.IGNORE  # its warnings quote values
    return str(dcmread(file.path, stop_before_pixels=True, specific_tags=["PatientID"]).get("PatientID") or "")


def wait_until_known(client: Client, studies: Sequence[str]) -> None:
    """Wait until the indexer has catalogued studies that were just sent."""
    for study in studies:

        def known(study: str = study) -> Item | None:
            try:
                found: Item = client.get(f"/studies/{segment(study)}")
            except Failure as failure:
                if failure.code is Code.NOT_FOUND:
                    return None
                raise
            return found

        if wait(known, PATIENCE) is None:
            raise Failure(f"{study} was not catalogued within {PATIENCE:.0f} s; is the indexer running?")
