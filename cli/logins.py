"""What a command presents: FIONA_TOKEN, the file that FIONA_TOKEN_FILE names, or what `fiona login` has saved."""

import json
import os
from pathlib import Path

from cli.failure import Code, Failure


def token(address: str) -> str | None:
    """The token or session for a gateway; None: nobody is signed in there."""
    if said := os.environ.get("FIONA_TOKEN"):
        return said
    if path := os.environ.get("FIONA_TOKEN_FILE"):
        try:
            return Path(path).read_text("utf-8").strip()
        except OSError as error:
            raise Failure(f"FIONA_TOKEN_FILE cannot be read: {error.strerror}", Code.USAGE) from error
    return _saved().get(address)


def save(address: str, secret: str | None) -> None:
    """For commands to come, per gateway; None: forget it."""
    logins = {**_saved(), address: secret} if secret else {k: v for k, v in _saved().items() if k != address}
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump(logins, opened, indent=2)
    draft.replace(file)


def _file() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "fiona" / "logins.json"


def _saved() -> dict[str, str]:
    file = _file()
    try:
        if file.stat().st_mode & 0o077:
            raise Failure(f"{file} can be read by others: chmod 600 it, or `fiona login` anew", Code.USAGE)
        logins: dict[str, str] = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Failure(f"{file} cannot be read: remove it, and `fiona login` anew", Code.USAGE) from error
    return logins
