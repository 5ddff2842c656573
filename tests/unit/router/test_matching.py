"""Who claims a study: coupling entries and routing rules, decided without a database."""

from dataclasses import replace
from typing import Any

import pytest

from shared.registry.matching import (
    UNREAD,
    Candidate,
    Claim,
    aet_claims,
    coupling_claims,
    first_per_project,
    judge,
    refusal,
    rule_claims,
)
from shared.tables import CouplingEntry, Project, RoutingRule
from shared.tables.base import now

STUDY = Candidate("1.2.3", "hash", "CT1", "FIONA", "8DISC001", "Doe^Jane")


def entry(identity: str = "e1", project: str = "PROJECT", participant: str = "P1", **fields: str) -> CouplingEntry:
    return CouplingEntry(id=identity, project=project, participant=participant, event="e", created_at=now(), **fields)


STUDY_OF_RULES = replace(STUDY, attributes={"StudyDescription": ("MR brain ABCD",), "Rows": ()})


@pytest.mark.parametrize(
    ("rule", "participant"),
    [
        ({"called_aet": "FIONA", "patient_id": "8DISC[0-9]{3}"}, "8DISC001"),
        ({"calling_aet": "CT1", "patient_id": "8DISC[0-9]{3}"}, "8DISC001"),
        ({"called_aet": "OTHER", "calling_aet": "CT1", "patient_id": "8DISC.*"}, "8DISC001"),
        ({"called_aet": "OTHER", "calling_aet": "CT2", "patient_id": "8DISC.*"}, None),
        ({"called_aet": "OTHER", "patient_id": "8DISC.*"}, None),
        ({"patient_id": "8DISC.*"}, "8DISC001"),
        ({"called_aet": "FIONA", "patient_id": "8DISC"}, None),
        ({"called_aet": "FIONA", "patient_name": "Doe.*"}, "Doe^Jane"),
        ({"called_aet": "FIONA", "patient_id": "8DISC.*", "patient_name": "Doe.*"}, "8DISC001"),
        ({"called_aet": "FIONA", "patient_id": "X.*", "patient_name": "Doe.*"}, "Doe^Jane"),
        ({"called_aet": "FIONA"}, None),
        ({"patient_id": "8DISC.*", "attribute": "StudyDescription", "attribute_value": "ABCD"}, "8DISC001"),
        ({"patient_id": "8DISC.*", "attribute": "StudyDescription", "attribute_value": "^ABCD"}, None),
        ({"patient_id": "8DISC.*", "attribute": "Rows", "attribute_value": ".*"}, None),
        ({"attribute": "StudyDescription", "attribute_value": "ABCD"}, None),
        ({"attribute": "StudyDescription", "attribute_value": "ABCD", "auto_id": True}, ""),
        ({"called_aet": "FIONA", "auto_id": True}, ""),
        ({"called_aet": "FIONA", "auto_id": True, "patient_id": "8DISC.*"}, ""),
        ({"called_aet": "FIONA", "auto_id": True, "patient_id": "X.*"}, None),
        ({"auto_id": True}, None),
    ],
)
def test_a_rule_wants_an_aet_an_identity_and_an_attribute(rule: dict[str, Any], participant: str | None) -> None:
    judgement = judge(RoutingRule(**rule), STUDY_OF_RULES)
    assert (judgement.participant if judgement.matches else None) == participant


def test_each_condition_is_told_by_itself() -> None:
    rule = RoutingRule(called_aet="FIONA", patient_id="X.*", patient_name="Doe.*", attribute="Rows")
    assert judge(rule, STUDY_OF_RULES).conditions == {
        "called_aet": True, "patient_id": False, "patient_name": True, "attribute": False,
    }  # fmt: skip


def test_active_rules_in_their_order() -> None:
    def rule(identity: str, position: int, active: bool = True) -> RoutingRule:
        return RoutingRule(id=identity, project="P", position=position, active=active, patient_id=".*", event="e")

    claims = rule_claims(STUDY, [rule("c", 2), rule("b", 1), rule("a", 1), rule("off", 0, active=False)])
    assert [claim.reason for claim in claims] == ["rule a", "rule b", "rule c"]


def test_a_rule_that_cannot_be_tried_lets_no_later_one_of_its_project_decide() -> None:
    def rule(identity: str, project: str, **fields: Any) -> RoutingRule:
        given = {"auto_id": False, "site": "", **fields}
        return RoutingRule(id=identity, project=project, position=1, active=True, event=identity, **given)

    unread = replace(STUDY, unread=frozenset({"ProtocolName"}))
    of_protocol = {"attribute": "ProtocolName", "attribute_value": "p7"}
    rules = [
        rule("a", "ONE", patient_id="8DISC.*", **of_protocol),
        rule("b", "ONE", patient_id="8DISC.*"),
        rule("c", "TWO", patient_id="X.*", **of_protocol),
        rule("d", "TWO", auto_id=True, calling_aet="CT1"),
        rule("e", "SIX", auto_id=True, calling_aet="CT1", **of_protocol),
    ]
    first, second, third = first_per_project(rule_claims(unread, rules))
    assert first == Claim("ONE", "8DISC001", "a", "rule a", refused=UNREAD)
    assert second == Claim("SIX", "", "e", "rule e", auto=True, refused=UNREAD)
    assert third == Claim("TWO", "", "d", "rule d", auto=True), "its PatientID says no, whatever else"
    read = replace(STUDY, attributes={"ProtocolName": ("p8",)})
    assert [claim.reason for claim in first_per_project(rule_claims(read, rules))] == ["rule b", "rule d"]


def test_what_is_sent_to_a_projects_own_title_is_its_own() -> None:
    mine = Project(name="ABCD", auto_id_aet="FIONA", auto_id_pattern="P{n:3}", events=["baseline"])
    off = Project(name="OFF", auto_id_aet="FIONA", auto_id_pattern="", events=[])
    other = Project(name="OTHER", auto_id_aet="OTHER", auto_id_pattern="P{n:3}", events=[])
    (claim,) = aet_claims(STUDY, [other, off, mine])
    assert claim == Claim("ABCD", "", "baseline", "auto FIONA", auto=True)
    assert claim.origin == "auto"


IDENTIFIED = replace(STUDY, patient="of issuer", patient_id_hash="of id", issuers=1)


def by_study(identity: str = "u", **fields: str) -> CouplingEntry:
    return entry(identity, key="1.2.3", study_instance_uid="1.2.3", **fields)


def by_accession(identity: str = "a", number: str = "hash", **fields: str) -> CouplingEntry:
    return entry(identity, key=number, accession_hash=number, **fields)


def by_patient(identity: str = "p", hashed: str = "of id", **fields: str) -> CouplingEntry:
    return entry(identity, key=hashed, patient_hash=hashed, **fields)


def test_a_coupling_entry_names_the_study_before_its_accession_number_before_its_patient() -> None:
    entries = [by_patient(), by_accession("c", "other"), by_accession(), by_study()]
    claims = coupling_claims(IDENTIFIED, entries)
    assert [(claim.reason, claim.refused) for claim in claims] == [
        ("coupling u", None), ("coupling a", None), ("coupling p", None),
    ]  # fmt: skip


def test_a_study_without_identities_is_of_nobody() -> None:
    nameless = Candidate("1.2.3", None, None, None, "", "")
    assert coupling_claims(nameless, [by_accession(), by_patient(), entry(key="9.9", study_instance_uid="9.9")]) == []


OTHERWISE = "entries of the coupling list contradict one another"
SEVERAL = "several issuers have given out this PatientID: the coupling list has to say whose it is"


@pytest.mark.parametrize(
    ("candidate", "entries", "why"),
    [
        (IDENTIFIED, [by_accession(patient_hash="of id")], None),
        (IDENTIFIED, [by_accession(patient_hash="of issuer")], None),
        (
            IDENTIFIED,
            [by_accession(patient_hash="another")],
            "the study is of another patient than the coupling list says",
        ),
        (
            IDENTIFIED,
            [by_study(accession_hash="another")],
            "the study has another accession number than the coupling list says",
        ),
        (IDENTIFIED, [by_patient(), by_patient("q", "of issuer")], None),
        (IDENTIFIED, [by_patient(), by_patient("q", "of issuer", participant="P2")], OTHERWISE),
        (IDENTIFIED, [by_accession(), by_patient("q", participant="P2")], None),
        (IDENTIFIED, [by_patient(), by_patient("q", "of issuer", project="OTHER", participant="P2")], None),
        (replace(IDENTIFIED, issuers=2), [by_patient()], SEVERAL),
        (replace(IDENTIFIED, issuers=2), [by_patient("q", "of issuer")], None),
    ],
)
def test_nothing_is_guessed(candidate: Candidate, entries: list[CouplingEntry], why: str | None) -> None:
    assert coupling_claims(candidate, entries)[0].refused == why


def test_the_first_claim_of_a_project_counts() -> None:
    claims = [Claim("B", "2", "e", "y"), Claim("A", "1", "e", "x"), Claim("A", "3", "e", "z")]
    assert [claim.participant for claim in first_per_project(claims)] == ["1", "2"]


PROJECT = Project(name="PROJECT", participant_pattern="P[0-9]+", events=["e", "blood"], active=True, state="production")
PROJECT.events_without_images = ["blood"]


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
        (Claim("PROJECT", "", "e", "", auto=True), PROJECT, None),
        (Claim("PROJECT", "", "other", "", auto=True), PROJECT, "the project has no such event"),
        (Claim("PROJECT", "P1", "e", ""), None, "there is no such project"),
        (Claim("PROJECT", "P1", "blood", ""), PROJECT, "the event is one without images"),
        (Claim("P", "P1", "e", ""), Project(active=False, state="production"), "the project is not active"),
    ],
)
def test_what_a_project_refuses(claim: Claim, project: Project | None, why: str | None) -> None:
    assert refusal(claim, project) == why


PERSON = Candidate("1.2.3", None, None, None, "P77", "Doe^Jane").person
RESEMBLES = "the participant resembles the patient's "
ANYTHING = Project(name="PROJECT", participant_pattern=".+", events=[], active=True, state="production")


@pytest.mark.parametrize(
    ("claim", "project", "why"),
    [
        (
            Claim("PROJECT", "jane.doe", "e", "coupling c"),
            ANYTHING,
            RESEMBLES + "PatientName",
        ),
        (Claim("PROJECT", "P77", "e", "coupling c"), ANYTHING, RESEMBLES + "PatientID"),
        (Claim("PROJECT", "P77", "e", "coupling c"), PROJECT, None),
        (Claim("PROJECT", "P77", "e", "rule r"), ANYTHING, None),
        (Claim("PROJECT", "01010750160", "e", "rule r"), ANYTHING, "the participant is a national identity number"),
    ],
)
def test_only_a_rule_takes_an_identity_on_purpose(claim: Claim, project: Project, why: str | None) -> None:
    assert refusal(claim, project, PERSON) == why
