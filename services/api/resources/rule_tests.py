"""Routing rules tried before they are used: on a study that is here, or on the header of a file."""

import base64
import binascii
from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor, Who
from services.api.answers import Shape, example
from services.api.judging import sees
from services.api.needs import AeTitle, Ctx, Identity, ProjectName, Uid
from services.api.problems import FieldError, Problem, documented, invalid
from services.api.projects import get_project
from services.api.resources.rules import ORDER, NewRule, last_place
from services.api.sight import identities_in_sight, in_sight, within
from services.api.sites import is_theirs
from shared.crypto import Vault
from shared.dicom.apart import CannotRead
from shared.registry.candidates import candidate_of, candidate_of_header
from shared.registry.made_up import known_participant
from shared.registry.matching import (
    Candidate,
    Claim,
    Judgement,
    aet_claims,
    first_per_project,
    judge,
    refusal,
    rule_claims,
)
from shared.registry.participants import WITHDRAWN, is_withdrawn
from shared.service import Context
from shared.tables import Project, RoutingRule, Study

router = APIRouter(tags=["rules"])
HEADER_BYTES = 8 << 20
DRAFT = "draft"
TRIED = {
    "id": "7a0c9d0e-7a55-4d0a-8d3f-3a1d54f0d0aa",
    "project": "ABCD-study",
    "position": 10,
    "active": True,
    "matches": False,
    "conditions": [{"condition": "called_aet", "fits": True}, {"condition": "patient_id", "fits": False}],
}
WINNER = {
    "project": "ABCD-study",
    "reason": "rule draft",
    "participant": "ABCD-0017",
    "made_up": False,
    "event": "baseline",
    "refused": None,
}


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    return text


Header = Annotated[
    str,
    Field(
        max_length=-(-HEADER_BYTES // 3) * 4,
        description="the beginning of a DICOM file in base64, without pixels",
        json_schema_extra={"pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"},
    ),
    AfterValidator(_base64),
]


class RuleTest(Shape):
    """What rules are tried on, and which: those that are saved, or those with a draft among them."""

    model_config = example(
        study_instance_uid="1.2.826.0.1.3680043.8.498.1",
        rule={"project": "ABCD-study", "called_aet": "ABCD", "patient_id": r"ABCD-\d{4}", "event": "baseline"},
    )
    study_instance_uid: Uid | None = Field(default=None, description="a study that is here")
    header: Header | None = None
    called_aet: AeTitle | None = Field(default=None, description="to which the header's study would come")
    calling_aet: AeTitle | None = Field(default=None, description="from which the header's study would come")
    rule: NewRule | None = Field(default=None, description="a draft, tried beside the saved ones")
    instead_of: Identity | None = Field(default=None, description="the saved rule that the draft is to replace")
    project: ProjectName | None = Field(default=None, description="rules of this project alone")

    @model_validator(mode="after")
    def _one_study(self) -> Self:
        if (self.study_instance_uid is None) == (self.header is None):
            raise ValueError("either study_instance_uid or header")
        if self.header is None and (self.called_aet or self.calling_aet):
            raise ValueError("a study that is here has its own AE titles")
        return self


class ConditionItem(Shape):
    """A condition of a rule; what the study says is not told, but whether it fits."""

    model_config = example(condition="patient_id", fits=False)
    condition: str = Field(description="called_aet, calling_aet, patient_id, patient_name or attribute")
    fits: bool


class TriedRule(Shape):
    """A rule, and whether it takes the study."""

    model_config = example(**TRIED)
    id: str = Field(description="draft: the one that came with the request")
    project: str
    position: int
    active: bool = Field(description="an inactive one wins nothing")
    matches: bool
    conditions: list[ConditionItem]


class Winner(Shape):
    """What would become of the study in a project, if no coupling entry names it."""

    model_config = example(**WINNER)
    project: str
    reason: str = Field(description="rule <id>, or auto <AE title>")
    participant: str | None = Field(description="null: one that is made up when it happens, or the project refuses it")
    made_up: bool = Field(description="by the project's auto_id_pattern")
    event: str
    refused: str | None = Field(description="why the project would not take it")


class RuleTestResult(Shape):
    """Every rule in the order in which it is tried, and which wins in each project."""

    model_config = example(rules=[TRIED], winners=[WINNER])
    rules: list[TriedRule]
    winners: list[Winner]


@router.post(
    "/rules/test",
    summary="Which rule would take a study, and why not",
    responses=documented("unknown-study", "unknown-project", "unknown-rule", "invalid-request"),
)
async def try_rules(context: Ctx, who: Who, wish: RuleTest) -> RuleTestResult:
    """Changes nothing, and tells nothing of the patient but which conditions fit.

    The header is read in a process of its own, with limits on time and memory, and kept nowhere.
    """
    async with context.database.reading() as session:
        rules = await _rules(session, who, wish)
        candidate = await _candidate(session, context, who, wish, rules)
        tried = [(rule, judge(rule, candidate)) for rule in rules]
        claims = rule_claims(candidate, rules)
        own = select(Project).where(
            Project.auto_id_aet == candidate.called_aet, in_sight(who, "try_rules", Project.name)
        )
        if wish.project is not None:
            own = own.where(Project.name == wish.project)
        claims += aet_claims(candidate, await session.scalars(own))
        winners = [await _winner(session, who, context.vault, candidate, each) for each in first_per_project(claims)]
    return RuleTestResult(rules=[_tried(rule, judgement) for rule, judgement in tried], winners=winners)


async def _rules(session: AsyncSession, who: Actor, wish: RuleTest) -> list[RoutingRule]:
    """The saved ones of projects that one looks after, with the draft in its place."""
    query = select(RoutingRule).where(in_sight(who, "try_rules", RoutingRule.project)).order_by(*ORDER)
    if wish.project is not None:
        await get_project(session, wish.project)
        query = query.where(RoutingRule.project == wish.project)
    rules = list(await session.scalars(query))
    if wish.instead_of is not None:
        if wish.instead_of not in {rule.id for rule in rules}:
            raise Problem("unknown-rule")
        rules = [rule for rule in rules if rule.id != wish.instead_of]
    if wish.rule is not None:
        if not within(wish.rule.project, sees("try_rules", who)):
            raise Problem("unknown-project")
        await get_project(session, wish.rule.project)
        draft = RoutingRule(id=DRAFT, active=True, **wish.rule.model_dump())
        if wish.rule.position is None:
            draft.position = await last_place(session, wish.rule.project)
        rules.append(draft)
    return sorted(rules, key=lambda rule: (rule.position, rule.id))


async def _candidate(
    session: AsyncSession, context: Context, who: Actor, wish: RuleTest, rules: list[RoutingRule]
) -> Candidate:
    """A study of which one may see whose it is: else drafts could be used to guess it."""
    if wish.study_instance_uid is not None:
        this = select(Study).where(Study.study_instance_uid == wish.study_instance_uid, identities_in_sight(who))
        if await session.scalar(this) is None:
            raise Problem("unknown-study")
        found = await candidate_of(session, context.vault, context.store, wish.study_instance_uid, rules)
        if found is None:
            raise Problem("unknown-study")
        return found
    try:
        content = base64.b64decode(wish.header or "")
        return await candidate_of_header(content, wish.calling_aet, wish.called_aet, rules)
    except CannotRead as error:
        raise invalid(FieldError(loc=["body", "header"], msg=str(error), type="unreadable")) from None


async def _winner(session: AsyncSession, who: Actor, vault: Vault, candidate: Candidate, claim: Claim) -> Winner:
    """A participant is shown only where the project would take it: before, it is what a patient is called.

    Whoever is bound to sites is told of those of the sites.
    """
    project = await session.get(Project, claim.project)
    refused = claim.refused or refusal(claim, project, candidate.person)
    participant = claim.participant or None
    if claim.auto:
        study = await session.get(Study, candidate.study_instance_uid)
        participant = await known_participant(session, vault, claim.project, study.patient) if study else None
        if refused is None and project is not None and not project.auto_id_pattern:
            refused = "the project has no auto-ids"
    if participant and not await is_theirs(session, who, claim.project, participant):
        participant = None
    if refused is None and participant and await is_withdrawn(session, claim.project, participant):
        refused = WITHDRAWN
    return Winner(
        project=claim.project,
        reason=claim.reason,
        participant=None if refused else participant,
        made_up=claim.auto,
        event=claim.event,
        refused=refused,
    )


def _tried(rule: RoutingRule, judgement: Judgement) -> TriedRule:
    conditions = [ConditionItem(condition=name, fits=fits) for name, fits in judgement.conditions.items()]
    return TriedRule(
        id=rule.id,
        project=rule.project,
        position=rule.position,
        active=rule.active,
        matches=judgement.matches,
        conditions=conditions,
    )
