"""What the gateway's words are called in REDCap: the original's names, and whatever a YAML file says otherwise."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError


class MappingError(Exception):
    """The mapping file cannot be used; the text says where and what."""


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
"""A field, instrument or event as REDCap names it."""

MaybeName = Name | None
"""Null: this is not written (or not read)."""

Here = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
"""A field of a project in the gateway's own api, which knows best which there are."""

Code = Annotated[str, BeforeValidator(str)]
"""YAML makes numbers of what REDCap codes choices with."""


class Part(BaseModel):
    """A piece of the mapping; what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StudyFields(Part):
    """The study, once for each record."""

    description: MaybeName = "study_description"
    date: MaybeName = "study_date"
    time: MaybeName = "study_time"
    institution: MaybeName = "study_institution_name"
    patient_name: MaybeName = "study_patient_name"
    patient_id: MaybeName = "study_patient_id"
    calling_aet: MaybeName = "study_aetitle_sender"
    called_aet: MaybeName = "study_aetitle_addressed"
    accession_number: MaybeName = "study_accession_number"
    arrived: MaybeName = "study_arrival_date"
    complete: MaybeName = "incoming_studies_complete"


class SeriesFields(Part):
    """A series, an instance each."""

    uid: Name = "series_instance_uid"
    description: MaybeName = "series_description"
    date: MaybeName = "series_date"
    time: MaybeName = "series_time"
    sequence_name: MaybeName = "series_sequence_name"
    files: MaybeName = "series_num_files"
    classify_types: MaybeName = "series_classify_types"
    complete: MaybeName = "series_complete"


class TransferFields(Part):
    """A transfer, an instance each."""

    id: MaybeName = None
    requested: MaybeName = "transfer_requested_date"
    project: Name = "transfer_project_name"
    participant: Name = "transfer_name"
    event: MaybeName = "transfer_event_name"
    finished: MaybeName = "transfer_date"
    error: MaybeName = "transfer_error"
    mapped_uid: MaybeName = "transfer_mapped_uid"
    message: MaybeName = "transfer_error_message"
    seconds: MaybeName = "transfer_active_proc_time"
    complete: MaybeName = "transfers_complete"


class Errors(Part):
    """The codes of the checkbox that says what went wrong with a transfer, or was done to it."""

    deidentify: Code = "1"
    send: Code = "2"
    pixels: Code = "3"


class Incoming(Part):
    """The REDCap project of what has arrived: a record is a StudyInstanceUID."""

    event: MaybeName = Field(default=None, description="in a longitudinal project: where all of it stands")
    identities: Literal["keyed", "sha256", "none"] = Field(
        default="keyed", description="how PatientName and PatientID are hashed; sha256 is the original's"
    )
    study: StudyFields = StudyFields()
    series_instrument: Name = "series"
    series: SeriesFields = SeriesFields()
    transfers_instrument: Name = "transfers"
    transfers: TransferFields = TransferFields()
    errors: Errors = Errors()


class ImagingFields(Part):
    """A study as it was sent, an instance each."""

    uid: Name = "img_study_instance_uid"
    event: MaybeName = "img_event_name"
    date: MaybeName = "img_study_date"
    description: MaybeName = "img_study_description"
    accession_number: MaybeName = "img_incoming_accession_number"
    complete: MaybeName = None


class OneProject(Part):
    """A project's own REDCap project: a record is a participant."""

    names: tuple[Name, ...] = Field(default=("first_name", "last_name"), description="they say the pseudonym, too")
    arm: int = Field(default=1, ge=1)
    events: dict[str, Name] = Field(
        default={"Unknown": "event_1_arm_1"}, description="events here: unique event names there, where no rule helps"
    )
    instrument: Name = "imaging"
    event: MaybeName = Field(
        default="event_1_arm_1", description="the event at which imaging repeats; null: at the study's own"
    )
    imaging: ImagingFields = ImagingFields()
    groups: dict[str, Name] = Field(
        default={}, description="sites here: unique names of data access groups there, for participants of the site"
    )


class ProjectColumns(Part):
    """DataTransferProjects: a row is a project."""

    name: Name = "project_name"
    fields: dict[Here, Name] = Field(
        default={"active": "project_active"}, description="fields of a project here: the columns that say them"
    )


class RoutingColumns(Part):
    """The routing table: a row is a rule."""

    active: MaybeName = "routing_active"
    project: Name = "routing_dest_project"
    called_aet: MaybeName = "routing_incoming_aetitle"
    calling_aet: MaybeName = "routing_sending_aetitle"
    patient_id: MaybeName = "routing_allowed_patientid"
    patient_name: MaybeName = "routing_allowed_patientname"
    event: MaybeName = "routing_event_name"


class CouplingColumns(Part):
    """The coupling list: a row is an entry."""

    accession_number: MaybeName = "cl_accessionnumber"
    study_instance_uid: MaybeName = "cl_studyinstanceuid"
    project: Name = "cl_projectname"
    participant: Name = "cl_subjectid"
    event: MaybeName = "cl_eventname"


class Mapping(Part):
    """All of it."""

    incoming: Incoming = Incoming()
    project: OneProject = OneProject()
    optional: tuple[Name, ...] = Field(
        default=("first_name", "last_name", "img_incoming_accession_number", "transfer_active_proc_time"),
        description="fields that are left out where a REDCap project does not have them",
    )
    codings: dict[Name, dict[Code, Code]] = Field(
        default={}, description="field: {value here: code there}; labels of choices need none"
    )
    projects: ProjectColumns = ProjectColumns()
    routing: RoutingColumns = RoutingColumns()
    coupling: CouplingColumns = CouplingColumns()
    coupling_days: float | None = Field(default=14, gt=0, description="how long a coupling entry holds; null: for ever")
    new_projects: dict[Here, Any] = Field(
        default={}, description="what a project made here is given beside it, e.g. destinations"
    )
    redcap_wins: tuple[Here, ...] = Field(
        default=(), description="fields of a project in which REDCap overrules what people have set here"
    )


def load_mapping(path: Path | None) -> Mapping:
    """The mapping of a file, or the original's; MappingError says what is wrong with the file, and where."""
    if path is None:
        return Mapping()
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise MappingError(f"the mapping cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise MappingError(f"the mapping is not YAML{where}") from error
    try:
        return Mapping.model_validate(content or {})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise MappingError(f"the mapping is not valid: {wrong}") from error
