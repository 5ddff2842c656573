"""The files of studies that the gateway has already: found by REST, read from the store on this machine."""

from pathlib import Path

from cli.client import Client, segment
from cli.failure import Code, Failure


def stored_files(client: Client, patient: str | None, days: int | None) -> list[Path]:
    """All files of a patient's studies, or of the studies of the last days."""
    root = store_root()
    studies = list(client.items("/studies/search", body={"patient_id": patient, "days": days}))
    if not studies:
        raise Failure("there are no such studies", Code.NOT_FOUND)
    found = [
        root / str(item["path"])
        for study in studies
        for item in client.items(f"/studies/{segment(str(study['study_instance_uid']))}/files")
    ]
    if missing := [path for path in found if not path.is_file()]:
        raise Failure(
            f"{len(missing)} of {len(found)} files are not under FIONA_DATA={root}: is that the gateway's store?"
        )
    return found


def store_root() -> Path:
    """FIONA_DATA, which has to be here."""
    from shared.settings import Settings

    root = Settings().data
    if not (root / "archive").is_dir():
        raise Failure(f"the store is not on this machine: there is no archive in FIONA_DATA={root}")
    return root
