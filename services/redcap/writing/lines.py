"""A line of an import: whose record, at which event, of which repeating instrument, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.redcap.definition.lacking import Lack, Unfit
from services.redcap.definition.schema import Schema
from services.redcap.mapping import Mapping as Names
from services.redcap.values import NoChoice, Value, rendered


@dataclass(frozen=True)
class Line:
    """What is to stand there, by REDCap's names; `keys` are the fields by which its instance is known again."""

    record: str
    event: str | None
    values: Mapping[str, Value]
    instrument: str | None = None
    subject: str = ""
    keys: tuple[str, ...] = ()
    group: str | None = None
    """Data access group of the record; None: as it is."""

    @property
    def place(self) -> tuple[str, str, str]:
        """Within which instances are numbered."""
        return self.record, self.event or "", self.instrument or ""


def named(names: Mapping[str, str | None], **values: Value) -> dict[str, Value]:
    """Values under the names that the mapping gives them; what it does not name is left out."""
    return {name: value for key, value in values.items() if (name := names[key]) is not None}


def written(line: Line, schema: Schema, mapping: Names) -> dict[str, str]:
    """The columns of a line, without record, event and instance. Raises Unfit."""
    values = {
        name: value for name, value in line.values.items() if name in schema.fields or name not in mapping.optional
    }
    if lacking := schema.lacks(line.event, line.instrument, values):
        raise Unfit(*lacking)
    columns: dict[str, str] = {}
    try:
        for name, value in values.items():
            columns |= rendered(value, schema.fields[name], mapping.codings.get(name))
    except NoChoice as error:
        raise Unfit(Lack(str(error))) from None
    return columns


def item(line: Line, schema: Schema, columns: Mapping[str, str], instance: int | None) -> dict[str, str | int]:
    """The row as REDCap takes it."""
    row: dict[str, str | int] = {schema.record: line.record}
    if line.event is not None and schema.longitudinal:
        row["redcap_event_name"] = line.event
    if line.group is not None:
        row["redcap_data_access_group"] = line.group
    if line.instrument is not None and instance is not None:
        row |= {"redcap_repeat_instrument": line.instrument, "redcap_repeat_instance": instance}
    return {**row, **columns}
