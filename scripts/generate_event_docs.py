"""Write docs/events.md from the models: `python -m scripts.generate_event_docs`."""

import json
from pathlib import Path
from typing import Any

from shared.events import EVENTS, Event
from shared.topology import SUBSCRIPTIONS

TARGET = Path(__file__).parent.parent / "docs/events.md"
HEAD = """# Events

Generated from `shared/events.py` and `shared/topology.py` by `python -m scripts.generate_event_docs`.

An event is a fact in the past tense. It carries identifiers, counts and store-relative paths only; a participant
is always the project's pseudonym. A field with a default may be added; any other change is a new version that is
published beside the old one. Message id, correlation id, causation id and trace context travel in the envelope
(`shared/bus/message.py`). Two publications of the same fact have the same message id.
"""


def described(schema: dict[str, Any]) -> list[str]:
    """A table of the fields of a model's JSON schema."""
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        default = f" (default `{json.dumps(field['default'])}`)" if "default" in field else ""
        lines.append(f"| `{name}` | {kind(field)} | {field.get('description', '')}{default} |")
    return lines


def kind(field: dict[str, Any]) -> str:
    """The type of a field in words."""
    if "$ref" in field:
        return f"`{field['$ref'].rsplit('/', 1)[-1]}`"
    if "anyOf" in field:
        return " or ".join(kind(each) for each in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{each}`" for each in field["enum"])
    if field.get("type") == "array":
        return f"list of {kind(field['items'])}"
    return str(field.get("type", "any"))


def section(event: type[Event]) -> str:
    """One event: its idea, who listens, its fields and those of what it contains."""
    schema = event.model_json_schema()
    listeners = [service for service, listened in SUBSCRIPTIONS.items() if event in listened]
    lines = [f"## {event.__name__} (`{event.name}`)", "", str(event.__doc__), ""]
    lines += [f"Listeners: {', '.join(listeners) or 'none yet'}.", "", *described(schema)]
    for name, inner in schema.get("$defs", {}).items():
        lines += ["", f"`{name}`: {inner.get('description', '')}", "", *described(inner)]
    return "\n".join(lines) + "\n"


def document() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(event) for event in EVENTS.values())])


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
