"""What came while a project took nothing goes its way as soon as it takes studies again."""

from datetime import date

import pytest

from services.router import handlers as router
from shared.database import Database
from shared.events import Event, ProjectMoved, StudyArrived, TransferRequested
from shared.tables import CouplingEntry, Project, Study
from shared.tables.base import now
from tests.integration.test_router import ARRIVED, STUDY, arrive, assign, assignment, catalogue, match

__all__ = ["catalogue"]


async def move(database: Database, state: str, starts_on: date | None = None) -> list[Event]:
    async with database.session() as session:
        project = await session.get_one(Project, "PROJECT")
        before, project.state, project.starts_on = project.state, state, starts_on
        return await router.moved(ProjectMoved(project="PROJECT", before=before, after=state), session)


async def test_late_series_wait_and_are_asked_for(catalogue: Database) -> None:
    await assign(catalogue, assignment())
    assert await move(catalogue, "archived") == []
    late = await arrive(catalogue, "1.2.3.2", 5)
    async with catalogue.session() as session:
        assert await router.more(late, session) == []
    assert await assign(catalogue, assignment(identity="a2")) == [], "as it is assigned already, nothing is refused"
    (request,) = await move(catalogue, "production")
    assert isinstance(request, TransferRequested)
    assert (request.series_instance_uid, request.instances) == ("1.2.3.2", 5)
    assert await move(catalogue, "production") == []


@pytest.mark.parametrize("early", [False, True])
async def test_what_a_list_has_claimed_in_vain_is_tried_anew(catalogue: Database, early: bool) -> None:
    async with catalogue.session() as session:
        (await session.get_one(Study, STUDY)).arrived_at = now()
        session.add(CouplingEntry(id="c1", project="PROJECT", study_instance_uid=STUDY, participant="P7"))
    await move(catalogue, *(("production", date(2999, 1, 1)) if early else ("archived", None)))
    assert await match(catalogue) == []
    (again,) = await move(catalogue, "production")
    assert isinstance(again, StudyArrived)
    assert again.study_instance_uid == ARRIVED.study_instance_uid
    (request,) = await match(catalogue)
    assert request.participant == "P7"
    assert await move(catalogue, "production") == [], "it is assigned by now"


async def test_a_person_who_was_refused_was_told_so(catalogue: Database) -> None:
    async with catalogue.session() as session:
        (await session.get_one(Study, STUDY)).arrived_at = now()
    await move(catalogue, "archived")
    assert await assign(catalogue, assignment()) == []
    assert await move(catalogue, "production") == []
