"""Switches: receiving, de-identifying and sending, each of which an operator may switch off for a while."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, Limit, Offset
from services.api.problems import FieldError, Problem, documented, invalid
from shared.bus import Message
from shared.events import SwitchTurned
from shared.ledger import add
from shared.switchable import Switch
from shared.switches import Off, Switches

router = APIRouter(tags=["switches"])
State = Literal["on", "off"]
Reason = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class SwitchItem(Shape):
    """Whether something is done, and if not, why."""

    model_config = example(
        switch="send", state="off", reason="the research PACS moves", who="k.olsen", since="2026-01-01T08:00:00Z"
    )
    switch: Literal["receive", "anonymise", "send"]
    state: State
    reason: str | None = Field(description="null: it is on, or nobody has said")
    who: str | None
    since: datetime | None


class Turn(Shape):
    """What a switch is to be."""

    model_config = example(state="off", reason="the research PACS moves")
    state: State
    reason: Reason = Field(default="", description="why it is to be off; shown to whoever asks")


@router.get("/switches", summary="What is switched off", responses=documented("store-unavailable"))
async def list_switches(context: Ctx, limit: Limit = 100, offset: Offset = 0) -> Page[SwitchItem]:
    """All there are, on or off."""
    items = await _items(Switches(context.store))
    return Page(items=items[offset : offset + limit], total=len(items))


@router.put("/switches/{switch}", summary="Switch something off, or on", responses=documented("store-unavailable"))
async def turn_switch(context: Ctx, who: Who, switch: Switch, wish: Turn) -> SwitchItem:
    """It holds within a second or two. What is in hand is finished; what waits, waits, and nothing is lost."""
    if wish.state == "off" and not wish.reason.strip():
        raise invalid(FieldError(loc=["body", "reason"], msg="say why", type="value_error"))
    switches = Switches(context.store)
    try:
        if wish.state == "off":
            await asyncio.to_thread(switches.turn_off, switch, wish.reason.strip(), who.name)
        else:
            await asyncio.to_thread(switches.turn_on, switch)
    except OSError:
        raise Problem("store-unavailable") from None
    async with context.database.session() as session:
        await add(session, [Message.of(SwitchTurned(switch=switch.value, state=wish.state))])
    context.relay.wake()
    return next(each for each in await _items(switches) if each.switch == switch.value)


async def _items(switches: Switches) -> list[SwitchItem]:
    try:
        found = await asyncio.to_thread(switches.all)
    except OSError:
        raise Problem("store-unavailable") from None
    return [_item(switch, off) for switch, off in found.items()]


def _item(switch: Switch, off: Off | None) -> SwitchItem:
    return SwitchItem(
        switch=switch.value,
        state="on" if off is None else "off",
        reason=(off and off.reason) or None,
        who=(off and off.who) or None,
        since=_moment(off.since) if off else None,
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
