"""What the anonymizer hands to the sender: the files of one de-identified part, as JSON in the store."""

from pathlib import PurePath
from typing import Annotated, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.store import Store, valid_uid


def _uid(text: str) -> str:
    if not valid_uid(text):
        raise ValueError("not a UID")
    return text


Uid = Annotated[str, AfterValidator(_uid)]
"""A UID that may become a file's name."""


class ManifestError(Exception):
    """A manifest is missing or does not say what it should; the text carries no value of it."""


class Written(Protocol):
    """What the engine says of a file; the path relative to the folder into which it wrote."""

    @property
    def path(self) -> PurePath: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def sop_class_uid(self) -> str: ...
    @property
    def transfer_syntax_uid(self) -> str: ...
    @property
    def size(self) -> int: ...


class ManifestInstance(BaseModel):
    """One de-identified file; sizes in bytes, the path relative to the store."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    path: str
    sop_instance_uid: Uid
    sop_class_uid: Uid
    transfer_syntax_uid: Uid
    size: int = Field(ge=0)

    @classmethod
    def of(cls, folder: str, written: Written) -> Self:
        """A file that lies in a folder of the store."""
        return cls(
            path=f"{folder}/{written.path}",
            sop_instance_uid=written.sop_instance_uid,
            sop_class_uid=written.sop_class_uid,
            transfer_syntax_uid=written.transfer_syntax_uid,
            size=written.size,
        )


class Manifest(BaseModel):
    """The files of a part, each SOP Instance UID once, under the UIDs that the destinations will see.

    `given` are other pseudonyms in them that derived objects will repeat: UIDs, days (YYYYMMDD), hashes.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    study_instance_uid: Uid
    series_instance_uid: Uid
    instances: tuple[ManifestInstance, ...]
    given: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> "Manifest":
        if len({instance.sop_instance_uid for instance in self.instances}) != len(self.instances):
            raise ValueError("a SOP Instance UID twice")
        return self


def write_manifest(store: Store, path: str, manifest: Manifest) -> None:
    """Put it into the store, whole or not at all."""
    store.write(path, manifest.model_dump_json().encode())


def part_manifest(store: Store, transfer: str, series: str, revision: int) -> Manifest | None:
    """What was made of a part, by the SeriesInstanceUID of its source; None when that cannot be read any more."""
    try:
        return read_manifest(store, f"{store.anonymized(transfer, series, revision)}/manifest.json")
    except (ManifestError, ValueError):
        return None


def read_manifest(store: Store, path: str) -> Manifest:
    """Read it back; ManifestError when that cannot be."""
    try:
        return Manifest.model_validate_json((store / path).read_bytes())
    except FileNotFoundError as error:
        raise ManifestError("the manifest is not there") from error
    except ValidationError as error:
        raise ManifestError(f"the manifest has {error.error_count()} errors") from error
