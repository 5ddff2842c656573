"""Does a coupling entry or a routing rule claim a study? Pure decisions on what is known of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.registry.expressions import fits
from shared.registry.projects import open_for_transfers, today
from shared.tables import CouplingEntry, Project, RoutingRule


@dataclass(frozen=True)
class Candidate:
    """What matching looks at; the identities are read for it and go no further than a project's pseudonym."""

    study_instance_uid: str
    accession_hash: str | None
    calling_aet: str | None
    called_aet: str | None
    patient_id: str
    patient_name: str


@dataclass(frozen=True)
class Claim:
    """A study is claimed for a project, under this participant and event, for this reason."""

    project: str
    participant: str
    event: str
    reason: str

    @property
    def origin(self) -> str:
        """What kind of claim it is: person, coupling or rule."""
        return self.reason.partition(" ")[0]


def coupling_claims(candidate: Candidate, entries: Iterable[CouplingEntry]) -> list[Claim]:
    """What coupling entries say: those that name the study itself before those that name its accession number."""
    fitting = [
        entry
        for entry in entries
        if entry.study_instance_uid == candidate.study_instance_uid
        or (entry.accession_hash is not None and entry.accession_hash == candidate.accession_hash)
    ]
    fitting.sort(key=lambda entry: (entry.study_instance_uid is None, entry.created_at, entry.id))
    return [Claim(entry.project, entry.participant, entry.event, f"coupling {entry.id}") for entry in fitting]


def rule_claims(candidate: Candidate, rules: Iterable[RoutingRule]) -> list[Claim]:
    """What active routing rules say, in their order."""
    ordered = sorted((rule for rule in rules if rule.active), key=lambda rule: (rule.position, rule.id))
    return [
        Claim(rule.project, participant, rule.event, f"rule {rule.id}")
        for rule in ordered
        if (participant := rule_participant(rule, candidate)) is not None
    ]


def rule_participant(rule: RoutingRule, candidate: Candidate) -> str | None:
    """The participant that a rule gives a study: the PatientID, else the PatientName, that it allows.

    A rule that names an AE title, called or calling, wants one of the two to match; one that names none
    takes studies from anywhere. An expression has to fit the whole value.
    """
    named = [(rule.called_aet, candidate.called_aet), (rule.calling_aet, candidate.calling_aet)]
    wanted = [(wish, have) for wish, have in named if wish]
    if wanted and not any(wish == have for wish, have in wanted):
        return None
    if rule.patient_id and fits(rule.patient_id, candidate.patient_id):
        return candidate.patient_id
    if rule.patient_name and fits(rule.patient_name, candidate.patient_name):
        return candidate.patient_name
    return None


def first_per_project(claims: Iterable[Claim]) -> list[Claim]:
    """The first claim of each project counts."""
    chosen: dict[str, Claim] = {}
    for claim in claims:
        chosen.setdefault(claim.project, claim)
    return list(chosen.values())


def refusal(claim: Claim, project: Project | None) -> str | None:
    """Why a project does not take a claim (free of the participant itself); None: it does."""
    if project is None:
        return "there is no such project"
    if why := open_for_transfers(project, today()):
        return why
    if not claim.participant or not fits(project.participant_pattern, claim.participant):
        return "the participant does not fit the project's naming pattern"
    if project.events and claim.event not in project.events:
        return "the project has no such event"
    return None
