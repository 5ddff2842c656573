"""`fiona up`: the gateway, or some of its services, in this process."""

from typing import Annotated

import typer


def up(
    services: Annotated[
        list[str] | None, typer.Argument(metavar="SERVICE", help="Which; all of them by default.")
    ] = None,
) -> None:
    """Start the gateway (or the named services) and keep it running until Ctrl-C."""
    from services.__main__ import NAMES, load
    from shared.service import main

    for name in services or ():
        if name not in NAMES:
            raise typer.BadParameter(f"no service {name!r}; there are: {', '.join(NAMES)}")
    main(*(load(name) for name in services or NAMES))
