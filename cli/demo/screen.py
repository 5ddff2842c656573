"""What the demo looks like: live on a terminal, plain lines in a log."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.demo.accounts import COUNTS, Row, totals
from cli.output import clean, out

WORDS = {"anonymized": "de-identified"}
TAIL = 15
"""How much of a UID tells studies apart."""
EVERY_SECONDS = 1.0


class Screen(Protocol):
    """Takes the state of things, as often as one likes."""

    def __call__(self, offered: int, answered: int, rows: Sequence[Row]) -> None: ...


@contextmanager
def screen() -> Iterator[Screen]:
    """Live where there is a terminal."""
    console = out()
    if not console.is_terminal:
        yield _lines(console)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def show(offered: int, answered: int, rows: Sequence[Row]) -> None:
            room = max(3, console.height - len(COUNTS) - 7)
            pending = [row for row in rows if not row.done]
            shown = (pending + [row for row in reversed(rows) if row.done])[:room]
            live.update(Group(_bars(offered, answered, rows), study_table(shown)), refresh=True)

        yield show


def _lines(console: Console) -> Screen:
    said: dict[str, object] = {"line": "", "at": 0.0}

    def show(offered: int, answered: int, rows: Sequence[Row]) -> None:
        sums = ", ".join(f"{WORDS.get(name, name)} {count}" for name, count in totals(rows).items())
        line = f"sent {answered}/{offered}, {sums}"
        if line == said["line"] or time.monotonic() - float(str(said["at"])) < EVERY_SECONDS:
            return
        said.update(line=line, at=time.monotonic())
        console.print(line, markup=False)
        console.file.flush()

    return show


def _bars(offered: int, answered: int, rows: Sequence[Row]) -> RenderableType:
    bars = Table.grid(padding=(0, 1))
    sums = totals(rows)
    whole = max(sums["received"], 1)
    for name, done, total in (("sent", answered, offered), *((n, sums[n], whole) for n in COUNTS)):
        bars.add_row(WORDS.get(name, name), ProgressBar(total=total, completed=done, width=40), f"{done}/{total}")
    return bars


def study_table(rows: Sequence[Row], sums: bool = False) -> Table:
    """Per study, in instances."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=sums)
    all_of = totals(rows)
    made.add_column("Participant", footer="in total", overflow="fold")
    made.add_column("Modality", overflow="fold")
    made.add_column("Study UID's end", no_wrap=True)
    for name in COUNTS:
        made.add_column(WORDS.get(name, name).capitalize(), justify="right", footer=str(all_of[name]), overflow="fold")
    made.add_column("State", no_wrap=True)
    for row in rows:
        made.add_row(
            row.participant,
            Text(clean(row.modalities)),
            row.study[-TAIL:],
            *(str(getattr(row, name)) for name in COUNTS),
            row.state,
        )
    return made
