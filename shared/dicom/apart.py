"""Files that anybody may have sent are read apart: in a process of its own, with limits on time and memory.

A file may be made to harm whoever reads it. What is asked and answered is JSON over the process's own pipes, since
values are a patient's; the module that is run calls `answer` with what it does.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Callable
from typing import Any, Final

MEMORY: Final = 2**31


class CannotRead(Exception):
    """The file cannot be read; the text is free of PHI."""


async def ask(module: str, asked: Any, seconds: float) -> Any:
    """What `python -m module` answers within so many seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, str(max(1, round(seconds)))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": ""},
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(json.dumps(asked).encode()), seconds)
    except TimeoutError:
        raise CannotRead("reading it took too long") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise CannotRead("it cannot be read that far")
    return json.loads(said)


def answer(look: Callable[[Any], Any]) -> None:
    """In the process of its own: limit it, and answer what was asked."""
    seconds = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    sys.stdout.write(json.dumps(look(json.loads(sys.stdin.buffer.read()))))


def in_text(value: Any, longest: int) -> str | None:
    """A value of pydicom's as text for people, several with backslashes between, bytes as Latin-1."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value[:longest].decode("latin-1")
    if isinstance(value, str) or not hasattr(value, "__iter__") or hasattr(value, "components"):
        return str(value)[:longest]
    return "\\".join(str(each) for each in value)[:longest]
