"""`fiona config`: what the original's config.json says in this gateway's words."""

import json
import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cli.failure import Code, Failure
from cli.original_sign_in import convert
from cli.output import Json, out, remark, show_json

app = typer.Typer(help="Settings: import, sign-in.", no_args_is_help=True)
Original = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The original's config.json.")]


@app.command("import")
def import_config(
    file: Original,
    as_json: Json = False,
) -> None:
    """Print the FIONA_… variables that a config.json of the original stands for (for an environment file)."""
    from shared.settings import ORIGINAL_KEYS

    content = _read(file)
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


@app.command("sign-in")
def import_sign_in(
    file: Original,
    to: Annotated[Path, typer.Option(help="A folder; sign-in.yaml and its secrets must not be there yet.")],
) -> None:
    """Write the file that FIONA_API_SIGN_IN names from the section Authentication: directories and passwords."""
    converted = convert(_read(file))
    folder = to.absolute()
    for directory in converted.content["ldap"]:
        if "password_file" in directory:
            directory["password_file"] = str(folder / directory["password_file"])
    files = converted.secrets | {"sign-in.yaml": yaml.safe_dump(converted.content, sort_keys=False)}
    if there := [name for name in files if (folder / name).exists()]:
        raise Failure(f"{folder} holds {', '.join(there)} already", Code.CONFLICT)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text)
    for each in converted.remarks:
        remark(each)
    out().print(f"FIONA_API_SIGN_IN={shlex.quote(str(folder / 'sign-in.yaml'))}", markup=False, soft_wrap=True)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise Failure(f"{file} is not JSON") from error
    if not isinstance(content, dict):
        raise Failure(f"{file} holds no JSON object")
    return content
