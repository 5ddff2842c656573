"""An event on its way: the envelope that both transports carry."""

import json
import uuid
from dataclasses import asdict, dataclass
from typing import Self

from shared import tracing
from shared.events import EVENTS, Event
from shared.tables.base import now

_NAMESPACE = uuid.UUID("8f3c1d2e-6a0b-5c7d-9e1f-2a3b4c5d6e7f")


@dataclass(frozen=True)
class Message:
    """An event's JSON and its lineage; messages of the same fact (event key) have the same id."""

    id: str
    name: str
    body: str
    correlation: str
    causation: str | None = None
    traceparent: str | None = None
    occurred_at: str = ""

    @classmethod
    def of(cls, event: Event, cause: Self | None = None) -> Self:
        """Wrap an event that happened because of another message (or of nothing we know)."""
        key = event.key()
        identity = str(uuid.uuid5(_NAMESPACE, f"{event.name}|{key}") if key is not None else uuid.uuid4())
        return cls(
            id=identity,
            name=event.name,
            body=event.model_dump_json(),
            correlation=cause.correlation if cause else identity,
            causation=cause.id if cause else None,
            traceparent=tracing.current() or (cause.traceparent if cause else None),
            occurred_at=now().isoformat(),
        )

    def event(self) -> Event:
        """The event inside; KeyError for an unknown name, ValueError for a body that does not fit it."""
        return EVENTS[self.name].model_validate_json(self.body)

    def to_bytes(self) -> bytes:
        """The envelope and the event as JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """What to_bytes made; fields of later versions are ignored."""
        fields = json.loads(content)
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__ if name in fields})
