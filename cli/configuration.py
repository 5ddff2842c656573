"""`fiona config`: what the original's config.json says in this gateway's words."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from cli.failure import Failure
from cli.output import Json, out, remark, show_json

app = typer.Typer(help="Settings: import.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `import` a subcommand while it is the only one."""


@app.command("import")
def import_config(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The original's config.json.")],
    as_json: Json = False,
) -> None:
    """Print the FIONA_… variables that a config.json of the original stands for (for an environment file)."""
    from shared.settings import ORIGINAL_KEYS

    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise Failure(f"{file} is not JSON") from error
    if not isinstance(content, dict):
        raise Failure(f"{file} holds no JSON object")
    found = {
        variable: str(content[key]) for key, variable in ORIGINAL_KEYS.items() if content.get(key) not in (None, "")
    }
    if as_json:
        return show_json(found)
    for variable, value in found.items():
        out().print(f"{variable}={shlex.quote(value)}", markup=False, soft_wrap=True)
    if other := sorted(content.keys() - ORIGINAL_KEYS.keys()):
        remark(f"without a meaning here: {', '.join(other)}")
    return None
