"""What a REDCap project lacks of all that may have to be written to it, before any of it has to be."""

from collections.abc import Iterable, Iterator, Sequence

from services.redcap.definition.lacking import Lack, Unfit
from services.redcap.definition.schema import Schema
from services.redcap.mapping import Incoming, Mapping, OneProject, Part
from services.redcap.tokens import INCOMING
from services.redcap.writing.imaging import event_of

Place = tuple[str | None, str | None, Part]
"""An event, a repeating instrument, and the fields that are written there."""


def lacks(target: str, names: Mapping, schema: Schema, events: Sequence[str]) -> list[Lack]:
    """All of it, each once; `events` are those of the project here."""
    found: list[Lack] = []
    if target == INCOMING:
        places: Iterable[Place] = _incoming(names.incoming)
    else:
        places = _project(names.project, schema, events, found)
    for event, instrument, part in places:
        said = [name for name in part.model_dump().values() if name is not None]
        fields = [name for name in said if name in schema.fields or name not in names.optional]
        found += schema.lacks(event, instrument, fields)
    return list(dict.fromkeys(found))


def _incoming(names: Incoming) -> list[Place]:
    return [
        (names.event, None, names.study),
        (names.event, names.series_instrument, names.series),
        (names.event, names.transfers_instrument, names.transfers),
    ]


def _project(names: OneProject, schema: Schema, events: Sequence[str], found: list[Lack]) -> Iterator[Place]:
    """Where images are written; an event that is not there is found lacking."""
    for event in events:
        try:
            at = event_of(names, schema, event)
        except Unfit as error:
            found += error.lacks
        else:
            if names.event is None:
                yield at, names.instrument, names.imaging
    if names.event is not None or not schema.longitudinal:
        yield names.event, names.instrument, names.imaging
