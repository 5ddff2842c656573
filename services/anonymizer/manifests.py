"""Which files of a part count: what the sender is handed."""

from collections.abc import Sequence
from typing import Literal

from deidentification import Subject
from services.anonymizer.batch import Outcome
from shared.events import TransferRequested
from shared.manifest import Manifest, ManifestInstance


def manifest_of(
    folder: str,
    subject: Subject,
    scheme: Literal["keyed", "original"],
    event: TransferRequested,
    outcomes: Sequence[Outcome],
) -> Manifest:
    """Study and series are called what the engine has called them, when there is a file at all."""
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    study, series = (
        (results[0].study_instance_uid, results[0].series_instance_uid)
        if results
        else (subject.new_uid(event.study_instance_uid, scheme), subject.new_uid(event.series_instance_uid, scheme))
    )
    return Manifest(
        study_instance_uid=study,
        series_instance_uid=series,
        instances=tuple(
            ManifestInstance(
                path=f"{folder}/{result.path}",
                sop_instance_uid=result.sop_instance_uid,
                sop_class_uid=result.sop_class_uid,
                transfer_syntax_uid=result.transfer_syntax_uid,
                size=result.size,
            )
            for result in results
        ),
    )
