"""`fiona status`: is all well, and how much is where?"""

from typing import Any

from cli.client import Client, Item
from cli.failure import Code, Failure
from cli.output import Json, out, show_json, table


def status(as_json: Json = False) -> None:
    """Show readiness, what has failed or is off, counts and queues; exit code 1 when the gateway is not ready."""
    with Client() as client:
        ready, details = client.ready()
        counts = client.get("/counts") if ready else {}
        switches = _allowed(client, "/switches") if ready else []
        failing = _allowed(client, "/monitor", state="failing") if ready else []
    if as_json:
        found = {"ready": ready, "readiness": details, "counts": counts, "switches": switches, "failing": failing}
        show_json(found)
    else:
        _print(ready, details, counts, switches, failing)
    if not ready:
        raise Failure("the gateway is not ready")


def _allowed(client: Client, path: str, **params: str) -> list[Item]:
    """A list that not everybody may see; nothing for those who may not."""
    try:
        return list(client.items(path, None, **params))
    except Failure as failure:
        if failure.code is not Code.DENIED:
            raise
        return []


def _print(ready: bool, details: Any, counts: Item, switches: list[Item], failing: list[Item]) -> None:
    checks = details.get("parts", details) if isinstance(details, dict) else {"said": details}
    rows: list[Item] = [{"what": "ready", "value": ready}]
    rows += [{"what": f"  {name}", "value": value} for name, value in checks.items()]
    off = [each for each in switches if each["state"] == "off"]
    rows += [{"what": f"{each['switch']} is off", "value": each["reason"]} for each in off]
    rows += [{"what": f"{each['check']} {each['subject']}".strip(), "value": each["detail"]} for each in failing]
    queues = counts.pop("queues", {})
    states = counts.pop("transfers", {})
    rows += [{"what": name, "value": value} for name, value in counts.items()]
    rows += [{"what": f"transfers {state}", "value": count} for state, count in sorted(states.items())]
    rows += [{"what": f"queue {name}", "value": depth} for name, depth in sorted(queues.items()) if depth]
    if queues and not any(queues.values()):
        rows.append({"what": "queues", "value": "empty"})
    out().print(table(rows, (("", "what"), ("", "value"))))
