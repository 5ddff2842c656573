"""Dead letters: what nobody could handle, for a person to look at, replay or drop."""

import json
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, Limit, Offset
from services.api.problems import Problem, documented
from shared.bus import DeadLetter

router = APIRouter(tags=["dead letters"])


class DeadItem(Shape):
    """A message that was given up."""

    model_config = example(
        id="router.study.arrived.v1:5d3b8a0e-2f5c-4b0e-9d5f-0b0d5c2e7a10",
        queue="router.study.arrived.v1",
        event="study.arrived.v1",
        tries=5,
        reason="unexpected ValueError",
        message="5d3b8a0e-2f5c-4b0e-9d5f-0b0d5c2e7a10",
        correlation="5d3b8a0e-2f5c-4b0e-9d5f-0b0d5c2e7a10",
        body={"study_instance_uid": "1.2.826.0.1.3680043.8.498.1", "series": 4, "instances": 812},
    )
    id: str
    queue: str = Field(description="where it was to be handled")
    event: str
    tries: int
    reason: str
    message: str
    correlation: str
    body: dict[str, Any] = Field(description="the event")


@router.get("/dead", summary="Dead letters, oldest first")
async def list_dead(context: Ctx, limit: Limit = 100, offset: Offset = 0) -> Page[DeadItem]:
    """Of all queues."""
    letters = await context.bus.dead()
    return Page(items=[_item(each) for each in letters[offset : offset + limit]], total=len(letters))


@router.get("/dead/{identity}", summary="One dead letter", responses=documented("unknown-dead-letter"))
async def show_dead(context: Ctx, identity: str) -> DeadItem:
    """With its event."""
    for letter in await context.bus.dead():
        if letter.id == identity:
            return _item(letter)
    raise Problem("unknown-dead-letter")


@router.post(
    "/dead/{identity}/replay",
    summary="Try a dead letter again",
    status_code=204,
    responses=documented("unknown-dead-letter"),
)
async def replay_dead(context: Ctx, identity: str) -> None:
    """Back into its queue with a clean slate."""
    if not await context.bus.replay(identity):
        raise Problem("unknown-dead-letter")


@router.delete(
    "/dead/{identity}",
    summary="Drop a dead letter",
    status_code=204,
    responses=documented("unknown-dead-letter"),
)
async def drop_dead(context: Ctx, identity: str) -> None:
    """For good."""
    if not await context.bus.drop(identity):
        raise Problem("unknown-dead-letter")


def _item(letter: DeadLetter) -> DeadItem:
    message = letter.message
    return DeadItem(
        id=letter.id,
        queue=letter.queue,
        event=message.name,
        tries=letter.tries,
        reason=letter.reason,
        message=message.id,
        correlation=message.correlation,
        body=json.loads(message.body),
    )
