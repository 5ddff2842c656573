"""The head of the chain, kept where whoever cuts the chain in the database does not reach: a file in the store."""

import json
from contextlib import suppress

from shared.audit.chain import Link
from shared.store import Store

FILE = "audit/head.json"


def write_head(store: Store, head: Link) -> None:
    """Keep how far the chain goes."""
    store.write(FILE, json.dumps(head._asdict()).encode())


def read_head(store: Store) -> Link | None:
    """How far the chain went when it was last looked at; None when nobody has kept it."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        content = json.loads((store / FILE).read_bytes())
        return Link(int(content["sequence"]), str(content["hash"]))
    return None
