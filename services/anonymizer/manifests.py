"""Which files of a part count, and handing them to the sender."""

from collections.abc import Sequence
from typing import Final

from deidentification import Option, Profile, Subject
from services.anonymizer.batch import Outcome
from services.anonymizer.profiles import Chosen
from services.anonymizer.workers import remove_strangers
from shared.events import SeriesAnonymized, TransferRequested
from shared.manifest import Manifest, ManifestInstance, write_manifest
from shared.store import Store

NAME: Final = "manifest.json"


def manifest_of(
    folder: str,
    subject: Subject,
    profile: Profile,
    event: TransferRequested,
    outcomes: Sequence[Outcome],
    given: frozenset[str] = frozenset(),
    pseudonyms: frozenset[str] = frozenset(),
) -> Manifest:
    """Study and series are called what the engine has called them; without any file, what it would have."""

    def named(uid: str) -> str:
        return uid if Option.UIDS in profile.options or uid in pseudonyms else subject.new_uid(uid, profile.uids)

    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    study, series = (
        (results[0].study_instance_uid, results[0].series_instance_uid)
        if results
        else (named(event.study_instance_uid), named(event.series_instance_uid))
    )
    return Manifest(
        study_instance_uid=study,
        series_instance_uid=series,
        instances=tuple(ManifestInstance.of(folder, result) for result in results),
        given=tuple(sorted(given)),
    )


def put(store: Store, folder: str, manifest: Manifest) -> None:
    """The manifest beside its files; whatever else an interrupted run left in the folder goes."""
    files = {each.path.rpartition("/")[2] for each in manifest.instances}
    remove_strangers(store / folder, files | {NAME})
    write_manifest(store, f"{folder}/{NAME}", manifest)


def handed_on(
    event: TransferRequested,
    folder: str,
    manifest: Manifest,
    by: Chosen,
    *,
    quarantined: int,
    left_out: int = 0,
    heartbeat: str | None = None,
) -> SeriesAnonymized:
    """What the sender is told of a part."""
    return SeriesAnonymized(
        transfer=event.transfer,
        parts=event.parts,
        destinations=event.destinations,
        project=event.project,
        series_instance_uid=event.series_instance_uid,
        revision=event.revision,
        target_study_instance_uid=manifest.study_instance_uid,
        manifest=f"{folder}/{NAME}",
        instances=len(manifest.instances),
        quarantined=quarantined,
        left_out=left_out,
        profile_version=by.version,
        profile_digest=by.digest,
        heartbeat=heartbeat,
    )
