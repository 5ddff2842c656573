"""What must be there before a study comes: a destination and a project that sends to it."""

from collections.abc import Mapping

from cli.client import Client, segment
from cli.failure import Code, Failure

DESTINATION = "research"
PROJECT = "DEMO_PROJECT"
PATTERN = "DEMO[0-9]{3}"


def set_up(client: Client) -> None:
    """Make the destination and the project unless they exist."""
    _unless_there(client, "/destinations", {"name": DESTINATION, "kind": "folder", "config": {}})
    try:
        client.get(f"/projects/{segment(PROJECT)}")
    except Failure as failure:
        if failure.code is not Code.NOT_FOUND:
            raise
        project = {
            "name": PROJECT,
            "description": "What the demo sends",
            "participant_pattern": PATTERN,
            "events": [],
            "destinations": [DESTINATION],
            "profile": "basic",
        }
        _unless_there(client, "/projects", project)


def _unless_there(client: Client, path: str, body: Mapping[str, object]) -> None:
    try:
        client.post(path, body)
    except Failure as failure:
        if failure.code is not Code.CONFLICT:
            raise
