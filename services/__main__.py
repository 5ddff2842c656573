"""`python -m services [NAME…]`: the named services, or all of them, in one process."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.service import Service

NAMES = (
    *("receiver", "indexer", "router", "anonymizer", "sender", "redcap", "api", "registry", "audit"),
    *("janitor", "monitor"),
)


def load(name: str) -> "Service":
    """The composition of a service; SystemExit names those that exist when there is none of that name."""
    if name not in NAMES:
        raise SystemExit(f"no service {name!r}; there are: {', '.join(NAMES)}")
    service: Service = import_module(f"services.{name}.service").service
    return service


if __name__ == "__main__":
    # Imported here because worker processes import this module again, and need none of it.
    from shared.service import main

    main(*(load(name) for name in sys.argv[1:] or NAMES))
