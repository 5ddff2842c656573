"""What the router does when something has arrived, was assigned, or has come further on its way."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.router import consent, corrections, heartbeat, returned, withdrawals
from services.router.coupling import entries_for, look_again, of_patient
from services.router.locks import hold
from services.router.measuring import ended
from services.router.reopened import ask_for_what_waits
from services.router.resends import send_again
from services.router.reviews import ask_again, quarantined, settle
from services.router.taking import as_refused, in_force, take, why_not
from services.router.transfers import MORE_SERIES, request_missing, state, sum_up
from services.router.unlinked import take_over
from services.router.withdrawals import take_back
from shared.crypto import Vault
from shared.events import (
    AssignmentCorrected,
    CouplingChanged,
    Event,
    ParticipantWithdrawn,
    ProjectMoved,
    ProjectWithdrawn,
    QuarantineReviewed,
    RemovalAnswered,
    ResendRequested,
    SeriesAnonymized,
    SeriesArrived,
    SeriesDelivered,
    StudyArrived,
    StudyAssigned,
    StudyCoupled,
    StudyUnlinked,
    TransferCancelled,
    TransferCompleted,
    TransferFailed,
    TransferRequested,
    WithdrawalAnswered,
    WithdrawalConfirmed,
    WithdrawalRequested,
    WithdrawalRetried,
)
from shared.handlers import Handlers, Reject, Retry
from shared.registry.candidates import candidate_of
from shared.registry.matching import (
    Claim,
    aet_claims,
    coupling_claims,
    first_per_project,
    rule_claims,
)
from shared.registry.projects import OPEN
from shared.store import Store
from shared.tables import (
    Assignment,
    Project,
    RoutingRule,
    Transfer,
    TransferPart,
    Withdrawal,
)
from shared.tables.base import now
from shared.transfers import STOPPED

handlers = Handlers()
FINAL = ("completed", "quarantined", "failed", *STOPPED)


@handlers.on(StudyAssigned)
async def assigned(event: StudyAssigned, session: AsyncSession, vault: Vault) -> list[TransferRequested]:
    """A person has assigned a study: take it, and ask for what is there."""
    sources = await returned.originals(session, event.study_instance_uid)
    await hold(session, event.study_instance_uid, *(study for _, study, _ in sources))
    why = await returned.why_not_to(session, vault, event.study_instance_uid, event.project, event.participant)
    claim = Claim(event.project, event.participant, event.event, "person", refused=why)
    return await take(session, event.study_instance_uid, claim, event.assignment)


@handlers.on(StudyArrived)
async def match(event: StudyArrived, session: AsyncSession, vault: Vault, store: Store) -> list[TransferRequested]:
    """Ask for a transfer wherever a coupling entry, a routing rule or a project's own AE title claims the study.

    One that comes back under a UID that was given here is its original's, and nobody else's.
    """
    sources = await returned.originals(session, event.study_instance_uid)
    await hold(session, event.study_instance_uid, *(study for _, study, _ in sources))
    rules = list(await session.scalars(select(RoutingRule).where(RoutingRule.active)))
    candidate = await candidate_of(session, vault, store, event.study_instance_uid, rules)
    if candidate is None:
        return []
    if sources:
        claims = await returned.claims(session, candidate, sources)
    else:
        candidate = await of_patient(session, vault, candidate)
        entries = await entries_for(session, candidate)
        of_aet = await session.scalars(select(Project).where(Project.auto_id_aet == candidate.called_aet))
        claims = first_per_project(
            [*coupling_claims(candidate, entries), *rule_claims(candidate, rules), *aet_claims(candidate, of_aet)]
        )
    requested = [
        await take(session, event.study_instance_uid, claim, candidate=candidate, vault=vault) for claim in claims
    ]
    return [request for requests in requested for request in requests]


@handlers.on(CouplingChanged)
async def relisted(event: CouplingChanged, session: AsyncSession) -> list[Event]:
    """Have studies looked at that came before the list, some entries at a time."""
    return await look_again(session, event)


@handlers.on(StudyCoupled)
async def coupled(event: StudyCoupled, session: AsyncSession, vault: Vault, store: Store) -> list[TransferRequested]:
    """A study that came before its coupling entry is matched like one that comes after it."""
    arrived = StudyArrived(study_instance_uid=event.study_instance_uid, series=0, instances=0)
    return await match(arrived, session, vault, store)


@handlers.on(SeriesArrived)
async def more(event: SeriesArrived, session: AsyncSession) -> list[Event]:
    """A series of a study that is assigned already goes the same way."""
    if event.heartbeat is not None:
        return heartbeat.pass_on(event, event.heartbeat)
    await hold(session, event.study_instance_uid)
    mine = select(Assignment).where(Assignment.study_instance_uid == event.study_instance_uid, Assignment.in_force)
    requested = [await request_missing(session, each, MORE_SERIES) for each in await session.scalars(mine)]
    return [request for requests in requested for request in requests]


@handlers.on(SeriesAnonymized)
async def anonymized(event: SeriesAnonymized, session: AsyncSession) -> None:
    """Note what was de-identified, left out and is in quarantine, and by exactly which profile."""
    if event.heartbeat is not None:
        return
    transfer = await _note(
        session, event, anonymized=event.instances, quarantined=event.quarantined, left_out=event.left_out
    )
    if event.instances:
        transfer.target_study_instance_uid = event.target_study_instance_uid
    if event.profile_digest:
        transfer.profile_version, transfer.profile_digest = event.profile_version, event.profile_digest


@handlers.on(SeriesDelivered)
async def delivered(event: SeriesDelivered, session: AsyncSession) -> None:
    """Note what a destination has acknowledged and refused."""
    await _note(session, event, delivered=event.delivered, refused=event.refused)


@handlers.on(TransferCompleted)
async def completed(event: TransferCompleted, session: AsyncSession) -> None:
    """Call a transfer complete when it is all there, and only then."""
    transfer = await _locked(session, event.transfer)
    if transfer.state in STOPPED:
        return
    transfer.finished_at, transfer.counted, transfer.error = now(), event.counted, None
    accounted = event.delivered + event.quarantined + event.left_out
    if accounted != transfer.instances:
        transfer.state = "failed"
        transfer.error = f"asked for {transfer.instances}, accounted for {accounted}"
    elif event.quarantined:
        await settle(session, transfer, event.quarantined)
    else:
        transfer.state = "completed"
    ended(transfer)


@handlers.on(TransferFailed)
async def failed(event: TransferFailed, session: AsyncSession) -> None:
    """Show people a transfer that cannot become complete by itself; one that was counted whole is not taken back."""
    transfer = await _locked(session, event.transfer)
    if transfer.state in ("completed", "quarantined", *STOPPED):
        return
    transfer.state, transfer.error, transfer.finished_at = "failed", event.reason, now()
    ended(transfer)


@handlers.on(QuarantineReviewed)
async def reviewed(event: QuarantineReviewed, session: AsyncSession) -> list[TransferRequested]:
    """Ask again for what a person lets go on; what nobody has to decide about any more is complete."""
    old = await session.get(Transfer, event.transfer)
    if old is None:
        raise Reject("a review of a transfer that does not exist")
    await hold(session, old.study_instance_uid)
    old = await _locked(session, event.transfer)
    if old.state in STOPPED:
        return []
    requested = await ask_again(session, event, old)
    if old.state == "quarantined":
        await settle(session, old, await quarantined(session, old.id))
    return requested


@handlers.on(ProjectMoved)
async def moved(event: ProjectMoved, session: AsyncSession) -> list[Event]:
    """Ask for what has waited for a project that takes studies again."""
    return await ask_for_what_waits(session, event.project) if event.after in OPEN else []


@handlers.on(ProjectWithdrawn)
async def project_withdrawn(event: ProjectWithdrawn, session: AsyncSession) -> list[WithdrawalRequested]:
    """Take back from its destinations all that a project has sent."""
    if await session.get(Withdrawal, event.withdrawal) is not None:
        return []
    withdrawal = Withdrawal(
        id=event.withdrawal, kind="end", project=event.project, participant="", state="under_way", requested_at=now()
    )
    sent = select(Transfer).where(Transfer.project == event.project, Transfer.state.not_in(STOPPED))
    transfers = list(await session.scalars(sent.order_by(Transfer.id).with_for_update()))
    return await take_back(session, withdrawal, transfers)


@handlers.on(StudyUnlinked)
async def unlinked(event: StudyUnlinked, session: AsyncSession) -> list[SeriesAnonymized]:
    """Take over what full anonymisation has made."""
    return await take_over(session, event)


@handlers.on(ResendRequested)
async def again(event: ResendRequested, session: AsyncSession) -> list[Event]:
    """A person wants it sent once more."""
    return await send_again(session, event)


@handlers.on(AssignmentCorrected)
async def corrected(event: AssignmentCorrected, session: AsyncSession, vault: Vault) -> list[Event]:
    """The study does not belong there. What takes the place of the old assignment is looked at before that ends."""
    sources = await returned.originals(session, event.study_instance_uid)
    found = await _derived(session, event)
    await hold(session, event.study_instance_uid, *(study for _, study, _ in sources), *found)
    if await session.get(Withdrawal, event.correction) is not None:
        return []
    if await _derived(session, event) != found:
        raise Retry("what was derived of the study was just being assigned", delay=1)
    old = await session.get(Assignment, event.assignment, populate_existing=True)
    no = await returned.why_not_to(session, vault, event.study_instance_uid, event.project, event.participant)
    claim = Claim(event.project, event.participant, event.event, f"correction {event.correction}", refused=no)
    why = None if old is not None and old.in_force else corrections.NOT_IN_FORCE
    if event.becomes and not why:
        there = await in_force(session, event.study_instance_uid, event.project)
        why = await why_not(session, claim, there if there is not old else None)
    if old is None or why:
        session.add(corrections.refused(event, old, why or corrections.NOT_IN_FORCE))
        if event.becomes:
            session.add(as_refused(event.study_instance_uid, claim, why or "", event.becomes))
        return []
    derived = await returned.derived(session, old)
    events = await corrections.end(session, old, event, derived)
    if event.becomes:
        events += await take(session, event.study_instance_uid, claim, event.becomes)
    return [*events, *await returned.look_again(session, derived)]


async def _derived(session: AsyncSession, event: AssignmentCorrected) -> set[str]:
    """The studies that will end with this one."""
    old = await session.get(Assignment, event.assignment)
    return {each.study_instance_uid for each in await returned.derived(session, old)} if old is not None else set()


@handlers.on(TransferCancelled)
async def cancelled(event: TransferCancelled, session: AsyncSession) -> list[Event]:
    """Nobody wants the transfer any more."""
    transfer = await session.get_one(Transfer, event.transfer)
    await hold(session, transfer.study_instance_uid)
    if await session.get(Withdrawal, event.correction) is not None:
        return []
    return await corrections.cancel(session, event, await _locked(session, event.transfer))


@handlers.on(WithdrawalAnswered)
async def withdrawn(event: WithdrawalAnswered, session: AsyncSession) -> list[Event]:
    """Something has left a destination, or cannot be made to."""
    return await withdrawals.answered(session, event)


@handlers.on(WithdrawalConfirmed)
async def confirmed(event: WithdrawalConfirmed, session: AsyncSession) -> list[Event]:
    """A person has removed it by hand."""
    return await withdrawals.confirmed(session, event)


@handlers.on(WithdrawalRetried)
async def retried(event: WithdrawalRetried, session: AsyncSession) -> list[Event]:
    """A person thinks that a program can do it by now."""
    return await withdrawals.retried(session, event)


@handlers.on(ParticipantWithdrawn)
async def consent_withdrawn(event: ParticipantWithdrawn, session: AsyncSession, vault: Vault) -> list[Event]:
    """All of the participant is to go."""
    return await consent.withdraw(session, event, vault)


@handlers.on(RemovalAnswered)
async def removed(event: RemovalAnswered, session: AsyncSession) -> list[Event]:
    """A service has removed what it had of a participant."""
    return await withdrawals.removed(session, event)


async def _locked(session: AsyncSession, transfer: str) -> Transfer:
    return await session.get_one(Transfer, transfer, with_for_update=True)


async def _note(session: AsyncSession, event: SeriesAnonymized | SeriesDelivered, **counts: int) -> Transfer:
    """Write counts to the part (of one destination, or of all) and see how far the transfer has come."""
    transfer = await _locked(session, event.transfer)
    this = [
        TransferPart.transfer == event.transfer,
        TransferPart.series_instance_uid == event.series_instance_uid,
        TransferPart.revision == event.revision,
    ]
    if isinstance(event, SeriesDelivered):
        this.append(TransferPart.destination == event.destination)
    await session.execute(update(TransferPart).where(*this).values(**counts))
    parts = list(await session.scalars(select(TransferPart).where(TransferPart.transfer == event.transfer)))
    sum_up(transfer, parts)
    if transfer.state not in FINAL:
        transfer.state = state(parts)
    return transfer
