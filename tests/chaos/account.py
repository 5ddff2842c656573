"""At the end everything is counted: what was acknowledged is at the destination, once, under the right name."""

import re
import time
from collections import Counter
from typing import Any

from tests.chaos.load import Load
from tests.chaos.world import World
from tests.system.rest import OVER

CUT_OFF = re.compile(r"entries from (\d+) on were cut off")
IDENTITIES = ("CANARY0", "ACC0000", "Hansen", "Canary General")


def faults(world: World, load: Load, timeout: float = 240) -> list[str]:
    """What does not agree when nothing changes any more, or time is over; empty: all is well."""
    deadline = time.monotonic() + timeout
    while (found := _faults(world, load)) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def _faults(world: World, load: Load) -> list[str]:
    wanted = load.images
    transfers = _all(world, "/transfers")
    counts = world.gateway.call("GET", "/counts")
    held = world.orthanc.instances()
    archived = len(list((world.gateway.data / "archive").glob("scp_*/*.dcm")))
    owed = list((world.gateway.data / "journal").glob("*/*/*.owed"))
    states = Counter(item["state"] for item in transfers)
    checks: list[tuple[str, object, object]] = [
        ("files in the archive, and removed from it", archived + _sql(world, REMOVED), wanted),
        ("debts to REDCap", sum(target["owed"] for target in world.gateway.call("GET", "/redcap")["items"]), 0),
        ("owed by journals", len(owed), 0),
        ("in the catalogue", counts["instances"], wanted),
        ("conflicts", counts["conflicts"], 0),
        ("dead", counts["dead"], 0),
        ("transfers that are not over", sum(n for state, n in states.items() if state not in OVER), 0),
        ("transfers in another state than completed", dict(states), {"completed": len(transfers)}),
        ("at the destination", len(held), wanted),
        ("twice at the destination", len(held) - len(set(held)), 0),
        ("participants at the destination", participants(world), dict.fromkeys(load.of, load.each)),
        ("messages that nobody has handled", _sql(world, "SELECT count(*) FROM outbox"), 0),
    ]
    for count in ("instances", "anonymized", "delivered", "counted"):
        checks.append((f"{count} of transfers", sum(item[count] for item in transfers), wanted))
    logs = world.gateway.logs()
    checks += [(f"{name!r} in the logs", name in logs, False) for name in IDENTITIES]
    return [f"{what}: {is_} instead of {should}" for what, is_, should in checks if is_ != should]


def participants(world: World) -> dict[str, int]:
    """PatientID -> images, as the destination has them."""
    found: Counter[str] = Counter()
    for study in world.orthanc.api("GET", "/studies?expand").raise_for_status().json():
        statistics = world.orthanc.api("GET", f"/studies/{study['ID']}/statistics").raise_for_status().json()
        found[study["PatientMainDicomTags"]["PatientID"]] += int(statistics["CountInstances"])
    return dict(found)


def spoken(world: World, restored: bool = False) -> list[str]:
    """What the commands say that look for themselves: the audit's chain is whole, REDCap has what the gateway has (and,
    after a restore, transfers that the gateway knows no more).

    Where a database of before came back, the chain has to say what of it was cut off, and to be whole from there on.
    """
    found = []
    for words in (("audit", "verify"), ("redcap", "sync" if restored else "check")):
        said = world.gateway.fiona(*words)
        if restored and (cut := CUT_OFF.search(said.stderr)):
            said = world.gateway.fiona(*words, "--after", cut[1])
        if said.returncode != 0:
            found.append(f"fiona {' '.join(words)}: {said.stdout}{said.stderr}")
    return found


def removed_too_early(world: World, load: Load) -> tuple[int, list[str]]:
    """How many images the janitor has removed so far, and of whom more than are at the destination."""
    gone = dict(line.split("|") for line in _rows(world, GONE))
    there = participants(world)
    wrong = [
        f"{gone[study]} images of {participant} removed, {there.get(participant, 0)} at the destination"
        for participant, study in load.of.items()
        if int(gone.get(study, 0)) > there.get(participant, 0)
    ]
    return sum(map(int, gone.values())), wrong


REMOVED = "SELECT count(*) FROM instances WHERE removed_at IS NOT NULL"
GONE = "SELECT study_instance_uid, count(*) FROM instances WHERE removed_by = 'archive' GROUP BY 1"


def _rows(world: World, query: str) -> list[str]:
    database = str(world.gateway.settings["FIONA_DATABASE_URL"]).rpartition("/")[2]
    return world.postgres.sql(query, database).splitlines()


def _sql(world: World, query: str) -> int:
    return int(_rows(world, query)[0])


def _all(world: World, path: str) -> list[dict[str, Any]]:
    """Every item of a listing, part by part."""
    items: list[dict[str, Any]] = []
    while True:
        page = world.gateway.call("GET", f"{path}?limit=200&offset={len(items)}")
        items += page["items"]
        if not page["items"] or len(items) >= page["total"]:
            return items
