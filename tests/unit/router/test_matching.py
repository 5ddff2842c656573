"""Who claims a study: coupling entries and routing rules, decided without a database."""

import pytest

from services.router.matching import Candidate, Claim, coupling_claims, first_per_project, refusal, rule_participant
from shared.tables import CouplingEntry, Project, RoutingRule
from shared.tables.base import now

STUDY = Candidate("1.2.3", "hash", "CT1", "FIONA", "8DISC001", "Doe^Jane")


def entry(identity: str = "e1", project: str = "PROJECT", **fields: str) -> CouplingEntry:
    return CouplingEntry(id=identity, project=project, participant="P1", event="e", created_at=now(), **fields)


@pytest.mark.parametrize(
    ("rule", "participant"),
    [
        (RoutingRule(called_aet="FIONA", patient_id="8DISC[0-9]{3}"), "8DISC001"),
        (RoutingRule(calling_aet="CT1", patient_id="8DISC[0-9]{3}"), "8DISC001"),
        (RoutingRule(called_aet="OTHER", calling_aet="CT1", patient_id="8DISC.*"), "8DISC001"),
        (RoutingRule(called_aet="OTHER", calling_aet="CT2", patient_id="8DISC.*"), None),
        (RoutingRule(called_aet="OTHER", patient_id="8DISC.*"), None),
        (RoutingRule(patient_id="8DISC.*"), "8DISC001"),
        (RoutingRule(called_aet="FIONA", patient_id="8DISC"), None),
        (RoutingRule(called_aet="FIONA", patient_name="Doe.*"), "Doe^Jane"),
        (RoutingRule(called_aet="FIONA", patient_id="8DISC.*", patient_name="Doe.*"), "8DISC001"),
        (RoutingRule(called_aet="FIONA", patient_id="X.*", patient_name="Doe.*"), "Doe^Jane"),
        (RoutingRule(called_aet="FIONA"), None),
    ],
)
def test_a_rule_wants_an_aet_and_an_identity_and_prefers_the_id(rule: RoutingRule, participant: str | None) -> None:
    assert rule_participant(rule, STUDY) == participant


def test_a_coupling_entry_names_the_study_or_its_accession_number() -> None:
    by_accession = entry("a", accession_hash="hash")
    by_study = entry("b", study_instance_uid="1.2.3")
    other = entry("c", accession_hash="other")
    claims = coupling_claims(STUDY, [other, by_accession, by_study])
    assert [claim.reason for claim in claims] == ["coupling b", "coupling a"]


def test_an_entry_without_accession_number_does_not_match_a_study_without_one() -> None:
    nameless = Candidate("1.2.3", None, None, None, "", "")
    assert coupling_claims(nameless, [entry(study_instance_uid="9.9")]) == []


def test_the_first_claim_of_a_project_counts() -> None:
    claims = [Claim("A", "1", "e", "x"), Claim("B", "2", "e", "y"), Claim("A", "3", "e", "z")]
    assert [claim.participant for claim in first_per_project(claims)] == ["1", "2"]


UNFIT = "the participant does not fit the project's naming pattern"
PROJECT = Project(name="PROJECT", participant_pattern="P[0-9]+", events=["e"], active=True, state="production")


@pytest.mark.parametrize(
    ("claim", "project", "why"),
    [
        (Claim("PROJECT", "P1", "e", ""), PROJECT, None),
        (
            Claim("PROJECT", "Hansen^Kari", "e", ""),
            PROJECT,
            "the participant does not fit the project's naming pattern",
        ),
        (Claim("PROJECT", "P1x", "e", ""), PROJECT, "the participant does not fit the project's naming pattern"),
        (Claim("PROJECT", "P1", "other", ""), PROJECT, "the project has no such event"),
        (Claim("PROJECT", "P1", "e", ""), None, "there is no such project"),
        (Claim("P", "P1", "e", ""), Project(active=False, state="production"), "the project is not active"),
    ],
)
def test_what_a_project_refuses(claim: Claim, project: Project | None, why: str | None) -> None:
    assert refusal(claim, project) == why
