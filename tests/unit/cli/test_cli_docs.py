"""The pages name commands and options that there are, and all that there are; each option says what it is for."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    str(page.relative_to(ROOT)) for folder in ("docs", "deploy", ".") for page in (ROOT / folder).glob("*.md")
) + sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*/*.md"))
OTHERS = re.compile(r"(?:kubectl|rabbitmqctl|pg_dump|systemctl|createdb|docker) .*")
"""What calls something else fiona: a namespace, a virtual host, a database."""
OWN = re.compile(r"(?:^|[\s(/])fiona ([a-z][^#&;>]*)")
FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
TABLE = "docs/cli.md"
INDENTED = re.compile(r"^    .*$", re.MULTILINE)


def commands(of: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that help shows, and every group of them."""
    of = of or typer.main.get_command(app)
    yield path, of
    for name, command in getattr(of, "commands", {}).items():
        if not command.hidden:
            yield from commands(command, (*path, name))


KNOWN = dict(commands())


def said(page: str) -> Iterator[list[str]]:
    """Lines of code and spans of it, one at a time; all of a line of the table of commands, of which one goes on."""
    text = (ROOT / page).read_text("utf-8").replace("\\|", "|")
    code = "\n".join(FENCED.findall(text) + INDENTED.findall(text))
    prose = INDENTED.sub("", FENCED.sub("", text))
    for row in re.findall(r"^\| `fiona .*$", prose, re.MULTILINE) if page == TABLE else ():
        yield SPAN.findall(row)
    for each in [*code.replace("\\\n", " ").splitlines(), *SPAN.findall(prose)]:
        yield [" ".join(each.split())]


def named(page: str) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Command, the rest of what is said of it, and all of it."""
    for spans in said(page):
        group: tuple[str, ...] | None = None
        for span in spans:
            goes_on = group is not None and (*group, re.split(r"[ |]", span)[0]) in KNOWN
            for words in [span] if goes_on else OWN.findall(OTHERS.sub("", span)):
                for path, rest in resolved(group if goes_on and group else (), words):
                    group = path[:-1]
                    yield path, rest, words


def resolved(path: tuple[str, ...], words: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """`a|b X` is `a X` and `b X`; where no command is named it ends at the group."""
    first, _, rest = words.partition(" ")
    inside: Mapping[str, Any] = getattr(KNOWN[path], "commands", {})
    names = first.strip("[],.…()").split("|")
    if not inside or not any(name in inside for name in names):
        yield path, words
        return
    for name in names:
        assert name in inside, f"fiona {' '.join((*path, name))} is no command"
        yield from resolved((*path, name), rest)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_commands_and_options_that_there_are(page: str) -> None:
    for path, rest, words in named(page):
        command = KNOWN[path]
        if hasattr(command, "commands") and not command.invoke_without_command:
            assert not re.match(r"[a-z-]+(?!\S)", rest), f"{words}: no such command"
        options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest):
            assert option in options, f"{words}: {option}"


def test_every_command_is_told() -> None:
    told = {path for path, _, _ in named(TABLE)}
    every = {path for path, each in KNOWN.items() if not hasattr(each, "commands") or each.invoke_without_command}
    assert every <= told, every - told


@pytest.mark.parametrize("path", KNOWN, ids=" ".join)
def test_a_command_says_what_it_does_and_what_its_options_are_for(path: tuple[str, ...]) -> None:
    command = KNOWN[path]
    assert command.help
    shown = {name for name, each in getattr(command, "commands", {}).items() if not each.hidden}
    listed = set(command.help.rstrip(".").partition(": ")[2].split(", "))
    assert not path or not shown & listed or shown == listed
    silent = [each.opts[0] for each in command.params if each.param_type_name == "option" and not each.help]
    assert not silent
