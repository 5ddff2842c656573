"""Adds to a REDCap project's definition what has to be there: events and their arms, and which instruments are where.

Nothing in it is changed or taken away. An import of designations or of what repeats replaces all of them, so all that
there are go along. Instruments and fields are for people: an import of the data dictionary replaces the dictionary, and
what is not in it is gone (ADR 25).
"""

from collections.abc import Collection, Sequence
from typing import Any

from services.redcap.client import Item, Redcap, Refused
from services.redcap.definition.lacking import Addition, Designation, NewEvent, Repeating
from services.redcap.definition.schema import Schema

PRODUCTION = "the REDCap project is in production, where people define it"

ADDING = {"action": "import", "override": "0"}


class NotAdded(Exception):
    """It was not; the text says why, free of PHI."""


async def add(redcap: Redcap, schema: Schema, wanted: Collection[Addition], basics: Sequence[str]) -> None:
    """Add them, once: what is there by now is left; new events are given the instruments `basics`.

    Raises Away, and NotAdded when REDCap does not let us.
    """
    if why := forbidden(schema):
        raise NotAdded(why)
    designated = [(each.event, each.form) for each in wanted if isinstance(each, Designation)]
    repeating = [(each.event, each.form) for each in wanted if isinstance(each, Repeating)]
    try:
        made = await _events(redcap, [each for each in wanted if isinstance(each, NewEvent)])
        await _designate(redcap, [*designated, *((event, form) for event in made for form in basics)])
        await _repeat(redcap, repeating)
    except Refused as error:
        right = "the token has not the right Project Design and Setup"
        raise NotAdded(right if error.status == 403 else "REDCap does not let it be added") from None


def forbidden(schema: Schema) -> str:
    """Why nothing can be added, as far as can be told without trying; empty: it can be tried."""
    return PRODUCTION if schema.in_production else ""


async def _events(redcap: Redcap, wanted: Sequence[NewEvent]) -> list[str]:
    """The unique names of those that were made."""
    if not wanted:
        return []
    before = await redcap.export("event")
    there = {_known(row) for row in before}
    missing = {(each.label.casefold(), each.arm): each for each in wanted}
    new = [each for key, each in missing.items() if key not in there]
    arms = {int(row["arm_num"]) for row in await redcap.export("arm")}
    if lacking := sorted({each.arm for each in new} - arms):
        await redcap.define("arm", [{"arm_num": arm, "name": f"Arm {arm}"} for arm in lacking], **ADDING)
    if new:
        await redcap.define("event", [{"event_name": each.label, "arm_num": each.arm} for each in new], **ADDING)
    names = {row["unique_event_name"] for row in before}
    return [
        str(row["unique_event_name"])
        for row in (await redcap.export("event") if new else ())
        if row["unique_event_name"] not in names
    ]


def _known(row: Item) -> tuple[str, int]:
    """What an event is known by."""
    return str(row["event_name"]).casefold(), int(row["arm_num"])


async def _designate(redcap: Redcap, pairs: Sequence[tuple[str, str]]) -> None:
    if not pairs:
        return
    arms = {row["unique_event_name"]: row["arm_num"] for row in await redcap.export("event")}
    there = await redcap.export("formEventMapping")
    has = {(row["unique_event_name"], row["form"]) for row in there}
    new = [
        {"arm_num": arms[event], "unique_event_name": event, "form": form}
        for event, form in dict.fromkeys(pairs)
        if (event, form) not in has
    ]
    if new:
        await redcap.define("formEventMapping", [*there, *new], action="import")


async def _repeat(redcap: Redcap, pairs: Sequence[tuple[str | None, str]]) -> None:
    if not pairs:
        return
    there = await redcap.export("repeatingFormsEvents")
    has = {(row.get("event_name"), row.get("form_name")) for row in there}
    new: list[dict[str, Any]] = [
        ({"event_name": event} if event is not None else {}) | {"form_name": form, "custom_form_label": ""}
        for event, form in dict.fromkeys(pairs)
        if (event, form) not in has
    ]
    if new:
        await redcap.define("repeatingFormsEvents", [*there, *new])
