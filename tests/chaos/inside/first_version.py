"""A process that speaks as the first version did, beside those of today: of an event it writes and reads only what had
to be there from the beginning, as one does that knows no field that came later. Where CHAOS_FIRST_VERSION is set.
"""

import json
import os
from typing import Any

from shared.bus.message import Message
from shared.events import EVENTS

read = Message.event
written = Message.of.__func__  # type: ignore[attr-defined]


def required(name: str, body: str) -> str:
    """An event's JSON without what has a default."""
    fields = EVENTS[name].model_fields
    return json.dumps({key: value for key, value in json.loads(body).items() if fields[key].is_required()})


def event(self: Message) -> Any:
    """Read by who knows no later field."""
    if self.name not in EVENTS:
        return read(self)
    return EVENTS[self.name].model_validate_json(required(self.name, self.body))


def of(cls: type[Message], *arguments: Any, **more: Any) -> Message:
    """Written by who knows no later field."""
    from dataclasses import replace

    message: Message = written(cls, *arguments, **more)
    return replace(message, body=required(message.name, message.body))


if os.environ.get("CHAOS_FIRST_VERSION"):
    Message.event = event  # type: ignore[method-assign]
    Message.of = classmethod(of)  # type: ignore[assignment,method-assign]
