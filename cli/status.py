"""`fiona status`: is all well, and how much is where?"""

from cli.client import Client, Item
from cli.failure import Failure
from cli.output import Json, out, show_json, table


def status(as_json: Json = False) -> None:
    """Show counts, queues and readiness; exit code 1 when the gateway is not ready."""
    with Client() as client:
        ready, details = client.ready()
        counts = client.get("/counts") if ready else {}
    if as_json:
        show_json({"ready": ready, "readiness": details, "counts": counts})
    else:
        _print(ready, details, counts)
    if not ready:
        raise Failure("the gateway is not ready")


def _print(ready: bool, details: object, counts: Item) -> None:
    checks = details.get("parts", details) if isinstance(details, dict) else {"said": details}
    rows: list[Item] = [{"what": "ready", "value": ready}]
    rows += [{"what": f"  {name}", "value": value} for name, value in checks.items()]
    queues = counts.pop("queues", {})
    states = counts.pop("transfers", {})
    rows += [{"what": name, "value": value} for name, value in counts.items()]
    rows += [{"what": f"transfers {state}", "value": count} for state, count in sorted(states.items())]
    rows += [{"what": f"queue {name}", "value": depth} for name, depth in sorted(queues.items())]
    out().print(table(rows, (("", "what"), ("", "value"))))
