"""A person says whose a study is: as which participant, and whether that person may, and the participant can."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor
from services.api.problems import Problem
from services.api.resources.projects import check_event, check_participation
from services.api.sites import check_site, site_for
from shared.crypto import Vault
from shared.registry.candidates import person_of
from shared.registry.made_up import NoAutoId, participant_of
from shared.registry.participants import ensure_participant
from shared.tables import Participant, Project, Study


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
        """The participant that the project has, or makes up, for the study's patient."""
        study = await self.session.get_one(Study, self.study_uid)
        site = site_for(self.who, self.project.name, self.site)
        try:
            return await participant_of(self.session, self.vault, self.project, study.patient, site)
        except NoAutoId as none:
            raise Problem("no-auto-id", str(none)) from None

    async def admit(self, participant: str, event: str, made_up: bool = False) -> None:
        """A problem unless the study may become this participant's; a new one is written down, with who said so."""
        if made_up:
            check_event(self.project, event)
        else:
            person = await person_of(self.session, self.vault, self.study_uid)
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
