"""Rows as a table for people, in the terminal and in Markdown."""

from itertools import groupby

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Row


def show(rows: list[Row], console: Console | None = None) -> None:
    """One table: ours and beside it each peer with the ratio ours / peer."""
    table = Table(
        "benchmark", "case", "who", "value", "unit", "ours is × as good", title="Ratios compare within a case"
    )
    for _, group in groupby(rows, key=lambda row: (row["benchmark"], row["case"])):
        for number, row in enumerate(group):
            named = (row["benchmark"], row["case"]) if number == 0 else ("", "")
            value = "not on this machine" if row["value"] is None else f"{row['value']:,g}"
            who = row["subject"] if row["peer"] else f"[bold]{row['subject']}[/bold]"
            ratio = "" if row["ratio"] is None else f"{row['ratio']:g}"
            table.add_row(*named, who, value, row["unit"], ratio)
        table.add_section()
    (console or Console()).print(table)


def markdown(rows: list[Row]) -> str:
    """The same table for a document."""
    lines = ["| benchmark | case | who | value | unit | ours is × as good |", "|---|---|---|---:|---|---:|"]
    for row in rows:
        value = "absent" if row["value"] is None else f"{row['value']:g}"
        who = row["subject"] if row["peer"] else f"**{row['subject']}**"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:g}"
        lines.append(f"| {row['benchmark']} | {row['case']} | {who} | {value} | {row['unit']} | {ratio} |")
    return "\n".join(lines) + "\n"
