"""What may be said about a destination, by kind: the column `config` of the table `destinations`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, TypeAdapter, model_validator

_AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")


def _ae_title(text: str) -> str:
    if not _AE_TITLE.fullmatch(text) or not text.strip():
        raise ValueError("an AE title has 1 to 16 printable characters, no backslash")
    return text.strip()


AeTitle = Annotated[str, AfterValidator(_ae_title)]
"""PS3.5 §6.2, VR AE; leading and trailing spaces mean nothing."""


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(_Config):
    """How a peer is trusted, and with which certificate we present ourselves (all files are PEM)."""

    ca_file: Path | None = Field(default=None, description="who signed the peer; None: the system's list")
    cert_file: Path | None = Field(default=None, description="our certificate, for mutual TLS")
    key_file: Path | None = Field(default=None, description="its key, when it is not in cert_file")
    check_hostname: bool = Field(default=True, description="the peer's certificate must name its host")


class Access(_Config):
    """How an HTTP server is reached, and who we are there."""

    url: HttpUrl
    token_file: Path | None = Field(default=None, description="holds a bearer token; read for each delivery")
    username: str | None = None
    password_file: Path | None = None
    tls: Tls = Tls()
    timeout: float = Field(default=60, gt=0, description="seconds without a sign of life")

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file belong together")
        if self.token_file and self.username:
            raise ValueError("either a token or a user name")
        if self.url.username or self.url.password:
            raise ValueError("no credentials in the URL")
        return self


class Withdraw(Access):
    """How a destination is made to delete what we have brought, where its way of receiving has none."""

    by: Literal["orthanc-rest", "dicomweb-delete"] = Field(
        description="Orthanc's own REST, below `url`; or DELETE of instances below the DICOMweb root `url`"
    )


class DicomDestination(_Config):
    """A storage SCP: C-STORE to it, C-FIND to count."""

    kind: Literal["dicom"] = "dicom"
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    called_aet: AeTitle
    calling_aet: AeTitle = "FIONA"
    tls: Tls | None = None
    timeout: float = Field(default=60, gt=0, description="seconds without a sign of life")
    associations: int = Field(default=2, ge=1, le=32, description="at once")
    withdraw: Withdraw | None = Field(default=None, description="None: it has no way to delete")


class DicomWebDestination(Access):
    """A DICOMweb origin server: STOW-RS to it, QIDO-RS to count."""

    kind: Literal["dicomweb"] = "dicomweb"
    url: HttpUrl = Field(description="the root: /studies is appended")
    associations: int = Field(default=2, ge=1, le=32, description="requests at once")
    withdraw: Withdraw | Literal["dicomweb-delete"] | None = Field(
        default=None, description="dicomweb-delete: by DELETE at the same place; None: it has no way to delete"
    )

    def way_to_withdraw(self) -> Withdraw | None:
        """What `withdraw` says, spelled out."""
        if self.withdraw != "dicomweb-delete":
            return self.withdraw
        return Withdraw(by="dicomweb-delete", **{name: getattr(self, name) for name in Access.model_fields})


class FolderDestination(_Config):
    """A folder: <StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm below it."""

    kind: Literal["folder"] = "folder"
    folder: Path | None = Field(default=None, description="relative: inside the store; None: outbox/<name>")
    associations: int = Field(default=2, ge=1, le=32, description="series at once")

    def root(self, name: str, data: Path) -> Path:
        """The folder of the destination `name` of the store at `data`."""
        return data / (self.folder or Path("outbox") / name)

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        if self.folder is not None and not self.folder.is_absolute() and ".." in self.folder.parts:
            raise ValueError("a relative folder stays inside the store")
        return self


class NullDestination(_Config):
    """Nowhere: everything is taken, nothing is kept. For heartbeats, and for a project on trial."""

    kind: Literal["null"] = "null"
    associations: int = Field(default=2, ge=1, le=32, description="series at once")


DestinationConfig = Annotated[
    DicomDestination | DicomWebDestination | FolderDestination | NullDestination, Field(discriminator="kind")
]

_adapter: TypeAdapter[DestinationConfig] = TypeAdapter(DestinationConfig)


def parse_destination(kind: str, config: Mapping[str, Any]) -> DestinationConfig:
    """The columns `kind` and `config` as a model; pydantic's ValidationError when they make none."""
    return _adapter.validate_python({**config, "kind": kind})
