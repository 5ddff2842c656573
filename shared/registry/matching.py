"""Who claims a study: coupling entries, routing rules, a project's own AE title. Pure decisions on what is known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from shared.registry.expressions import fits, found
from shared.registry.projects import open_for_transfers, today
from shared.registry.resemblance import Person, is_national_id, resemblance
from shared.tables import CouplingEntry, Project, RoutingRule

UNREAD = "the study's files cannot be read in time: whether the rule takes it cannot be said"

COUPLING = "coupling"
"""Whose claim a study has that a coupling list names; the entry's id follows."""

DERIVED = "derived"
"""Whose claim a study has that comes back under a pseudonym: that of the study it was made from."""


@dataclass(frozen=True)
class Candidate:
    """What matching looks at; the identities are read for it and go no further than a project's pseudonym."""

    study_instance_uid: str
    accession_hash: str | None
    calling_aet: str | None
    called_aet: str | None
    patient_id: str
    patient_name: str
    accession_number: str = ""
    birth_date: str = ""
    patient: str | None = None
    """As `patients.id`: of PatientID and issuer."""
    patient_id_hash: str | None = None
    """Of the PatientID alone."""
    issuers: int = 0
    """How many have given out that PatientID."""
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """By attribute path, the values of all series: of those paths that rules name."""
    unread: frozenset[str] = frozenset()
    """The attribute paths of which nobody can say what stands there."""

    @property
    def person(self) -> Person:
        """Who a participant must not be called after."""
        return Person(self.patient_id, self.patient_name, self.accession_number, self.birth_date)


@dataclass(frozen=True)
class Claim:
    """A study is claimed for a project, under this participant and event, for this reason.

    An `auto` one has no participant yet: the project makes one up, for this site, or knows the patient already.
    """

    project: str
    participant: str
    event: str
    reason: str
    auto: bool = False
    site: str = ""
    refused: str | None = None
    """Why nobody can go by it."""

    @property
    def origin(self) -> str:
        """Whose claim it is: a person's, a coupling entry's, a rule's, auto, or derived."""
        kind = self.reason.partition(" ")[0]
        return "person" if kind == "correction" else kind

    @property
    def entry(self) -> str | None:
        """The coupling entry whose claim it is."""
        kind, _, identity = self.reason.partition(" ")
        return identity if kind == COUPLING else None


@dataclass(frozen=True)
class Judgement:
    """What a rule makes of a study: each of its conditions, whether it matches, and the participant if it names one."""

    conditions: Mapping[str, bool]
    """By the rule's own field."""
    matches: bool
    participant: str = ""


ALTERNATIVES = (("called_aet", "calling_aet"), ("patient_id", "patient_name"), ("attribute",))
"""Of each group of conditions one has to hold, where the rule gives any of it."""


def judge(rule: RoutingRule, candidate: Candidate) -> Judgement:
    """Whether a rule takes a study, and why not.

    A rule that names no AE title takes studies from anywhere. An expression for an identity has to fit the whole
    value, one for an attribute has to be found in it. The participant is the PatientID, else the PatientName, that
    the rule allows; or, by `auto_id`, one that the project makes up.
    """
    return _judged(rule, candidate, _conditions(rule, candidate))


def _judged(rule: RoutingRule, candidate: Candidate, conditions: Mapping[str, bool]) -> Judgement:
    given = [[conditions[each] for each in group if each in conditions] for group in ALTERNATIVES]
    named = conditions.keys() & {"patient_id", "patient_name"}
    matches = bool(conditions) and all(any(group) for group in given if group) and bool(named or rule.auto_id)
    if not matches or rule.auto_id:
        return Judgement(conditions, matches)
    return Judgement(conditions, True, candidate.patient_id if conditions.get("patient_id") else candidate.patient_name)


def _conditions(rule: RoutingRule, candidate: Candidate) -> dict[str, bool]:
    held: dict[str, bool] = {}
    if rule.called_aet:
        held["called_aet"] = rule.called_aet == candidate.called_aet
    if rule.calling_aet:
        held["calling_aet"] = rule.calling_aet == candidate.calling_aet
    if rule.patient_id:
        held["patient_id"] = fits(rule.patient_id, candidate.patient_id)
    if rule.patient_name:
        held["patient_name"] = fits(rule.patient_name, candidate.patient_name)
    if rule.attribute:
        values = candidate.attributes.get(rule.attribute, ())
        held["attribute"] = any(found(rule.attribute_value or "", value) for value in values)
    return held


def coupling_claims(candidate: Candidate, entries: Iterable[CouplingEntry]) -> list[Claim]:
    """What coupling entries say: first those that name the study itself, then its accession number, then its patient.

    Entries of a project that are equally exact and say different things are refused, and so is one that names
    something else of the study wrongly, or a PatientID that several have given out: nothing is guessed.
    """
    exact = (candidate.study_instance_uid, candidate.accession_hash, candidate.patient, candidate.patient_id_hash)
    ranks = {key: min(rank, 2) for rank, key in reversed(list(enumerate(exact))) if key}
    fitting = sorted(
        (entry for entry in entries if entry.key in ranks),
        key=lambda entry: (ranks[entry.key], entry.created_at, entry.id),
    )
    claims = []
    for entry in fitting:
        equals = [other for other in fitting if other.project == entry.project and ranks[other.key] == ranks[entry.key]]
        why = _contradiction(candidate, entry)
        if any((other.participant, other.event) != (entry.participant, entry.event) for other in equals):
            why = "entries of the coupling list contradict one another"
        claims.append(Claim(entry.project, entry.participant, entry.event, f"{COUPLING} {entry.id}", refused=why))
    return claims


def _contradiction(candidate: Candidate, entry: CouplingEntry) -> str | None:
    """What an entry that names the study says of it that is not so; None: nothing."""
    if entry.accession_hash not in (None, candidate.accession_hash):
        return "the study has another accession number than the coupling list says"
    if entry.patient_hash not in (None, candidate.patient, candidate.patient_id_hash):
        return "the study is of another patient than the coupling list says"
    if entry.key == candidate.patient_id_hash and candidate.issuers > 1:
        return "several issuers have given out this PatientID: the coupling list has to say whose it is"
    return None


def rule_claims(candidate: Candidate, rules: Iterable[RoutingRule]) -> list[Claim]:
    """What active routing rules say, in their order.

    One that might take the study if its files could be read is refused in its place: the next might say otherwise.
    """
    return [claim for rule in in_order(rules) if (claim := _claimed(rule, candidate)) is not None]


def _claimed(rule: RoutingRule, candidate: Candidate) -> Claim | None:
    judgement = judge(rule, candidate)
    if judgement.matches:
        return rule_claim(rule, judgement)
    if rule.attribute not in candidate.unread:
        return None
    perhaps = _judged(rule, candidate, {**judgement.conditions, "attribute": True})
    return replace(rule_claim(rule, perhaps), refused=UNREAD) if perhaps.matches else None


def rule_claim(rule: RoutingRule, judgement: Judgement) -> Claim:
    """What a rule that matches says."""
    return Claim(rule.project, judgement.participant, rule.event, f"rule {rule.id}", rule.auto_id, rule.site)


def in_order(rules: Iterable[RoutingRule]) -> list[RoutingRule]:
    """Active rules as they are tried."""
    return sorted((rule for rule in rules if rule.active), key=lambda rule: (rule.position, rule.id))


def aet_claims(candidate: Candidate, projects: Iterable[Project]) -> list[Claim]:
    """What was sent to a project's own AE title is the project's, under a participant that it makes up."""
    return [
        Claim(project.name, "", only_event(project), f"auto {candidate.called_aet}", auto=True)
        for project in sorted(projects, key=lambda project: project.name)
        if project.auto_id_aet and project.auto_id_pattern and project.auto_id_aet == candidate.called_aet
    ]


def only_event(project: Project) -> str:
    """The event of a study of which nobody says it: that of a project which has but one."""
    return project.events[0] if len(project.events) == 1 else "Unknown"


def first_per_project(claims: Iterable[Claim]) -> list[Claim]:
    """The first claim of each project counts; by project, so that two routers lock projects in the same order."""
    chosen: dict[str, Claim] = {}
    for claim in claims:
        chosen.setdefault(claim.project, claim)
    return sorted(chosen.values(), key=lambda claim: claim.project)


def refusal(claim: Claim, project: Project | None, person: Person | None = None) -> str | None:
    """Why a project does not take a claim (free of the participant itself); None: it does.

    A rule takes a PatientID on purpose, and what came back has a pseudonym for one; a name that people or lists give
    must not resemble the `person`.
    """
    if project is None:
        return "there is no such project"
    if why := open_for_transfers(project, today()):
        return why
    if project.events and claim.event not in project.events:
        return "the project has no such event"
    if claim.event in (project.events_without_images or ()):
        return "the event is one without images"
    if claim.auto:
        return None
    if not claim.participant or not fits(project.participant_pattern, claim.participant):
        return "the participant does not fit the project's naming pattern"
    if is_national_id(claim.participant):
        return "the participant is a national identity number"
    if person is None or claim.origin in ("rule", DERIVED):
        return None
    what = resemblance(claim.participant, person, project)
    return f"the participant resembles the patient's {what}" if what is not None else None
