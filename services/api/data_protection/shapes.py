"""The data-protection report of a project, as it is answered."""

from datetime import date, datetime

from pydantic import Field

from services.api.answers import Shape, example


class ReportedProject(Shape):
    """What it is, who answers for it, and on what ground."""

    name: str
    description: str
    state: str
    organisation: str
    pi_name: str
    manager_name: str
    approval: str = Field(description="the ethics committee's number")
    starts_on: date | None
    ends_on: date | None = Field(description="the first day without an approval")
    end_provision: str = Field(description="what becomes of the data then: delete, anonymise or keep")
    archived_at: datetime | None
    created_at: datetime


class Identities(Shape):
    """What leads from the project back to people here: encrypted, in a schema of its own."""

    studies: int = Field(description="of the project's studies, those of which it is known who was examined")
    people: int = Field(description="patients of these studies")
    coupling_entries: int = Field(description="in the coupling list")
    coupling_entries_in_force: int


class Place(Shape):
    """Where images are."""

    kind: str = Field(
        description="archive: as received, with names; anonymized: made here, as far as files are there; "
        "destination: elsewhere"
    )
    name: str
    where: str = Field(description="address of a destination; folder of the store")
    studies: int
    series: int
    instances: int
    bytes: int | None = Field(description="null: not known here")
    since: datetime | None
    until: datetime | None = Field(description="the latest")


class Quarantined(Shape):
    """What could not be de-identified whole, and stays here."""

    instances: int
    undecided: int


class Member(Shape):
    """Somebody who works in the project, and so may see what belongs to it."""

    login: str
    name: str
    roles: list[str]
    sites: list[str] = Field(description="data access groups that one is bound to; empty: all")
    everywhere: bool = Field(description="in all projects")
    since: datetime


class Sight(Shape):
    """Somebody who did, saw or was refused something of this project or its studies."""

    actor: str = Field(description="empty: nobody who was recognised")
    actor_kind: str = Field(description="person, token or service")
    done: int
    refused: int
    failed: int
    first: datetime
    last: datetime
    operations: dict[str, int] = Field(description="how often which, whatever came of it")


class ProjectReport(Shape):
    """The data-protection report of a project."""

    model_config = example(
        made_at="2026-06-01T08:00:00Z",
        project={
            "name": "ABCD-study",
            "description": "A brain cohort",
            "state": "production",
            "organisation": "Clinic",
            "pi_name": "Kari Nordmann",
            "manager_name": "Ola Nordmann",
            "approval": "2026/1234",
            "starts_on": "2026-01-01",
            "ends_on": "2030-01-01",
            "end_provision": "delete",
            "archived_at": None,
            "created_at": "2026-01-01T08:00:00Z",
        },
        participants=12,
        withdrawn=0,
        identities={"studies": 20, "people": 12, "coupling_entries": 12, "coupling_entries_in_force": 12},
        places=[
            {
                "kind": "archive",
                "name": "archive",
                "where": "archive/",
                "studies": 20,
                "series": 80,
                "instances": 16240,
                "bytes": 8547483648,
                "since": "2026-01-02T10:30:00Z",
                "until": "2026-05-30T12:00:00Z",
            }
        ],
        quarantine={"instances": 3, "undecided": 1},
        members=[
            {
                "login": "kari",
                "name": "Kari Nordmann",
                "roles": ["owner"],
                "sites": [],
                "everywhere": False,
                "since": "2026-01-01T08:00:00Z",
            }
        ],
        seen=[
            {
                "actor": "kari",
                "actor_kind": "person",
                "done": 41,
                "refused": 0,
                "failed": 1,
                "first": "2026-01-02T11:00:00Z",
                "last": "2026-05-30T12:10:00Z",
                "operations": {"show_study": 42},
            }
        ],
        audit_entries=1240,
    )
    made_at: datetime
    project: ReportedProject
    participants: int = Field(description="pseudonyms")
    withdrawn: int = Field(description="of these, those who have withdrawn their consent")
    identities: Identities
    places: list[Place]
    quarantine: Quarantined
    members: list[Member] = Field(description="who may see it")
    seen: list[Sight] = Field(description="by the audit, whoever did most first")
    audit_entries: int = Field(description="of this project and its studies")
