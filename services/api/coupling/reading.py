"""From a file to rows: encoding, delimiter and columns are found out, every cell is looked at."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.api.coupling.cells import clean, value_of
from services.api.coupling.columns import DELIMITERS, IDENTIFIERS, SEPARATOR, delimiter_of, fields_of, official
from services.api.coupling.encoding import decode
from services.api.coupling.rows import Flaws, Row

UNKNOWN_EVENT = "Unknown"
MOST_ROWS = 1_000_000
OPEN: Final = "is a quotation mark not closed?"
TOO_LONG: Final = f"has a value of more than {csv.field_size_limit():,} characters: {OPEN}"
BROKEN: Final = f"has a value of more than one line: {OPEN}"
WORKBOOK: Final = b"PK\x03\x04"
"""How an Excel or OpenDocument file begins: it is a ZIP."""


class NoList(Exception):
    """The file as a whole cannot be a coupling list; the reason quotes nothing of it."""


class _TooLong(Exception):
    """The record that begins in a line holds more than a value can."""

    def __init__(self, line: int) -> None:
        self.line = line


@dataclass
class CouplingList:
    """What a file says."""

    encoding: str
    delimiter: str
    rows: list[Row] = field(default_factory=list)
    flaws: Flaws = field(default_factory=Flaws)
    ignored: list[int] = field(default_factory=list)
    """Columns, counted from 1, whose name means nothing here."""


def read(content: bytes) -> CouplingList:
    """All rows that can be read and all flaws of the others; NoList when there is no making sense of it."""
    if content.startswith(WORKBOOK):
        raise NoList("it is a workbook: save it as CSV")
    try:
        text, encoding = decode(content)
    except UnicodeDecodeError:
        raise NoList("it begins like UTF and is not") from None
    try:
        at, delimiter = _begin(text)
        cells = _cells(text, delimiter)
        header = next((record for line, record in cells if line >= at and any(map(str.strip, record))), [])
    except (csv.Error, _TooLong):
        raise NoList(f"its first line {TOO_LONG}") from None
    made = CouplingList(encoding, delimiter)
    fields = _fields(header, made)
    intern: dict[str, str] = {}
    try:
        for line, record in cells:
            if len(made.rows) >= MOST_ROWS:
                raise NoList(f"it has more than {MOST_ROWS:,} rows")
            if (row := _row(line, record, fields, made.flaws, intern)) is not None:
                made.rows.append(row)
    except _TooLong as error:
        made.flaws.add(error.line, "", TOO_LONG)
    if not made.rows and not made.flaws:
        raise NoList("it has a header and nothing below it")
    return made


def _begin(text: str) -> tuple[int, str]:
    """The number of the line that the header is in, and the delimiter."""
    told = None
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if told is None and (told := SEPARATOR.fullmatch(line.strip("\r\n"))):
            continue
        if line.strip():
            return number, told[1] if told and told[1] in DELIMITERS else delimiter_of(line)
    raise NoList("it is empty")


def _cells(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of the line that it begins in.

    One more line, an empty one, so that a value which does not end before the file does holds a line break, too.
    """
    reader = csv.reader(io.StringIO(f"{text}\n", newline=""), delimiter=delimiter)
    line = 1
    try:
        for record in reader:
            yield line, record
            line = reader.line_num + 1
    except csv.Error:
        raise _TooLong(line) from None


def _fields(header: Sequence[str], made: CouplingList) -> list[str | None]:
    fields = fields_of([clean(name) for name in header])
    known = [name for name in fields if name]
    for name in set(known):
        if known.count(name) > 1:
            raise NoList(f"two columns of its header mean {official(name)}")
    if "participant" not in known or not any(name in known for name in IDENTIFIERS):
        wanted = ", ".join(map(official, IDENTIFIERS))
        raise NoList(f"its first line has to name {official('participant')} and one of {wanted}")
    if any(name is None and _broken(said) for name, said in zip(fields, header, strict=True)):
        raise NoList(f"its first line {BROKEN}")
    made.ignored = [
        number for number, (name, said) in enumerate(zip(fields, header, strict=True), 1) if not name and said.strip()
    ]
    return fields


def _broken(cell: str) -> bool:
    """Whether rows may be lost in it: where a quotation mark is not closed, what follows is in the cell."""
    return "\n" in cell or "\r" in cell


def _row(
    line: int, record: Sequence[str], fields: Sequence[str | None], flaws: Flaws, intern: dict[str, str]
) -> Row | None:
    """The row, or None when the line is empty or cannot be one."""
    if not any(cell.strip() for cell in record):
        return None
    if any(cell.strip() for cell in record[len(fields) :]):
        flaws.add(
            line, "", f"has {len(record)} values under {len(fields)} columns: is one with a delimiter not quoted?"
        )
        return None
    values: dict[str, str] = {}
    whole = True
    for name, cell in zip(fields, record, strict=False):
        if _broken(cell):
            flaws.add(line, name or "", BROKEN)
            whole = False
            continue
        if name is None:
            continue
        value, why = value_of(cell)
        if not value:
            continue
        if why is not None:
            flaws.add(line, name, why)
            whole = False
        values[name] = value
    if not whole:
        return None
    for name in ("participant", "event", "project", "issuer"):
        if name in values:
            values[name] = intern.setdefault(values[name], values[name])
    return Row(line, values.pop("participant", ""), values.pop("event", UNKNOWN_EVENT), **values)
