"""What people and scripts see: Rich tables on stdout, JSON with --json, everything else on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.client import Item
from shared.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print the JSON of the REST answer, and nothing else.")]
Column = tuple[str, str | Callable[[Item], object]]
"""A heading, and the key of an item or what to make of it."""

MOMENTS = ("_at", "since")
"""What keys end with whose values are times."""

WIDE = 4000
"""The width of what is no terminal: a row stays one line."""


def out() -> Console:
    """Standard output; plain and never wrapped when it is no terminal."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else WIDE)


def err() -> Console:
    """Standard error, for progress and remarks."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def remark(line: str) -> None:
    """A line for people, beside the output."""
    err().print(Text(clean(line)))


def clean(value: object) -> str:
    """A value as text of one line, free of control characters: they may come from any device's header."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(clean, value))
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def moment(key: str) -> Callable[[Item], str]:
    """A time as `2026-01-31 12:00:00`, in the time zone of FIONA_TIMEZONE; `--json` keeps the interface's UTC."""

    def shown(item: Item) -> str:
        return local(item[key]) if item.get(key) else ""

    return shown


def local(instant: str) -> str:
    """A time of the interface as people's clocks show it."""
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(Settings().timezone)).strftime("%Y-%m-%d %H:%M:%S")


def show_json(value: Any) -> None:
    """The answer for scripts."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def table(items: Iterable[Item], columns: Sequence[Column], title: str | None = None) -> Table:
    """Items as a table; what is too long for its column is folded, never cut."""
    rows = [[_value(item, what) for _, what in columns] for item in items]
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, (heading, _) in enumerate(columns):
        numeric = bool(rows) and all(type(row[number]) in (int, float) for row in rows)
        made.add_column(heading, overflow="fold", justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        made.add_row(*(Text(clean(value)) for value in row))
    return made


def _value(item: Item, what: str | Callable[[Item], object]) -> object:
    return item.get(what) if isinstance(what, str) else what(item)


def listing(
    items: Iterable[Item], columns: Sequence[Column], as_json: bool, empty: str, title: str | None = None
) -> None:
    """A list: a table, or JSON."""
    found = list(items)
    if as_json:
        show_json(found)
    elif found:
        out().print(table(found, columns, title))
    else:
        remark(empty)


def record(item: Item, as_json: bool) -> None:
    """One thing with all that is known of it."""
    if as_json:
        return show_json(item)
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for key, value in item.items():
        made.add_row(Text(clean(key)), Text(clean(local(value) if value and key.endswith(MOMENTS) else value)))
    return out().print(made)
