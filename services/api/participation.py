"""A person says whose a study is: as which participant, and whether that person may, and the participant can."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor
from services.api.problems import Problem
from services.api.sites import check_site, site_for
from shared.crypto import Vault
from shared.registry.candidates import person_of
from shared.registry.expressions import fits
from shared.registry.made_up import NoAutoId, participant_of
from shared.registry.participants import ensure_participant
from shared.registry.resemblance import Person, resemblance
from shared.registry.returned import came_back
from shared.registry.spelling import explained
from shared.tables import Participant, Project, Study

NOBODY = Person()
"""Of whom nothing is known."""

NOT_ADMITTED = (
    "participant-not-allowed",
    "participant-resembles-patient",
    "participant-withdrawn",
    "derived-from-another",
    "other-site",
    "event-not-allowed",
)
"""The problems that `admit` may see."""


@dataclass(frozen=True)
class Belonging:
    """A study that somebody wants in a project; `site`: of a new participant, None: one's own."""

    session: AsyncSession
    vault: Vault
    who: Actor
    project: Project
    study_uid: str
    site: str | None = None

    async def made_up(self) -> str:
        """The participant that the project has, or makes up, for the study's patient.

        Of a study that came back it is the one that its original belongs to: its patient is a pseudonym.
        """
        back = await came_back(self.session, self.study_uid, self.project.name)
        if back is not None and back.owner is not None:
            return back.owner
        study = await self.session.get_one(Study, self.study_uid)
        site = site_for(self.who, self.project.name, self.site)
        try:
            return await participant_of(self.session, self.vault, self.project, study.patient, site)
        except NoAutoId as none:
            raise Problem("no-auto-id", str(none)) from None

    async def admit(self, participant: str, event: str, made_up: bool = False) -> None:
        """A problem unless the study may become this participant's; a new one is written down, with who said so."""
        person = await self._person(participant)
        if made_up:
            check_event(self.project, event)
        else:
            check_participation(self.project, participant, event, person)
        there = await self.session.get(Participant, (self.project.name, participant))
        if there is None:
            site = site_for(self.who, self.project.name, self.site)
            await ensure_participant(
                self.session, self.project.name, participant, origin="person", site=site, by=self.who.name
            )
            return
        check_site(self.who, there)
        if there.withdrawn_at is not None:
            raise Problem("participant-withdrawn")

    async def _person(self, participant: str) -> Person:
        """Whom the participant must not be called after: nobody, when the study came back from its own participant."""
        person = await person_of(self.session, self.vault, self.study_uid)
        back = await came_back(self.session, self.study_uid, self.project.name)
        if back is None:
            return person
        if (why := back.refusal(participant, person.patient_id)) is not None:
            raise Problem("derived-from-another", why)
        return NOBODY


def check_participation(project: Project, participant: str, event: str, person: Person = NOBODY) -> None:
    """A problem unless the project takes such a participant at such an event, and it does not say who the person is."""
    check_name(project, participant, person)
    check_event(project, event)


def check_name(project: Project, participant: str, person: Person = NOBODY) -> None:
    """A problem unless a participant of the project may be called so."""
    if not fits(project.participant_pattern, participant):
        raise Problem("participant-not-allowed", explained(project.participant_pattern, project.participant_example))
    if (what := resemblance(participant, person, project)) is not None:
        raise Problem("participant-resembles-patient", f"it resembles the patient's {what}")


def check_event(project: Project, event: str) -> None:
    """A problem unless the project has the event, and images are assigned to it."""
    taken = [each for each in project.events if each not in project.events_without_images]
    if project.events and event not in taken:
        raise Problem("event-not-allowed", f"there are: {', '.join(taken)}")
