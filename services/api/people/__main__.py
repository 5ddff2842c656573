"""`python -m services.api.people LOGIN`: the first administrator, from the machine that has the database.

The password is the first line of --password-file, of standard input, or, if the file is not there yet, made up and
written to it. --token-file gets a token that may all that the account may.
"""

import argparse
import asyncio
import getpass
import secrets
import sys
from pathlib import Path

from services.api.needs import LOGIN
from services.api.people.bootstrap import NotTheFirst, Wish, bootstrap, write_private
from services.api.people.passwords import Passwords, refusal
from services.api.people.signing_in import canonical
from services.api.settings import ApiSettings
from shared.database import Database, DatabaseUnavailable
from shared.settings import Settings


async def _do(asked: argparse.Namespace, login: str, password: str) -> str | None:
    settings = ApiSettings()
    hashed = await Passwords(settings.password_kib, settings.password_rounds).hash(password)
    database = Database(Settings().database())
    try:
        await database.migrate()
        async with database.session() as session:
            wish = Wish(login, hashed, asked.recover, asked.everything, asked.token_file is not None)
            return await bootstrap(session, wish)
    finally:
        await database.close()


def _password(file: Path | None) -> tuple[str, bool]:
    """The password, and whether it was made up."""
    if file is None:
        if sys.stdin.isatty():
            return getpass.getpass("Password: "), False
        return sys.stdin.readline().rstrip("\r\n"), False
    if file.exists():
        return file.read_text("utf-8").split("\n")[0].rstrip("\r"), False
    return secrets.token_urlsafe(15), True


def main() -> int:
    """0: it is done; 1: it cannot be; 5: there are administrators already."""
    parser = argparse.ArgumentParser(prog="python -m services.api.people", description=__doc__)
    parser.add_argument("login")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--recover", action="store_true", help="also when there are administrators")
    parser.add_argument("--everything", action="store_true", help="operator and owner of every project, too")
    asked = parser.parse_args()
    login = canonical(asked.login)
    if not LOGIN.fullmatch(login):
        return _said("a login is of letters, digits and . _ @ + -, and begins with a letter or digit", 2)
    password, made_up = _password(asked.password_file)
    try:
        if why := refusal(password, login):
            return _said(f"not this password: {why}", 1)
        token = asyncio.run(_do(asked, login, password))
    except NotTheFirst:
        return _said("there are administrators already, who make accounts; --recover makes one more", 5)
    except DatabaseUnavailable as error:
        return _said(f"the database is not available: {error}", 3)
    if made_up:
        write_private(asked.password_file, password)
    if token is not None:
        write_private(asked.token_file, token)
    return _said(f"{login} is an administrator", 0)


def _said(line: str, code: int) -> int:
    sys.stderr.write(line + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
