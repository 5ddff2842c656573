"""Alert rules and dashboard: they hold, they speak of metrics that there are, and each alert has its row for people."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from scripts import generate_prometheus_rule
from scripts.generate_metric_docs import collectors, full_name
from tests.components.fixtures import need

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/monitoring"
RULES = yaml.safe_load((FOLDER / "fiona-rules.yaml").read_text("utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
METRIC = re.compile(r"\bfiona_[a-z_]+\b(?!\()")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"|by \(([^)]*)\)")
EVERYWHERE = {"job", "instance", "le"}


def promtool(*arguments: str) -> None:
    need("prometheus")
    done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def metrics() -> dict[str, set[str]]:
    """Every name under which Prometheus knows something of ours, with its labels."""
    found: dict[str, set[str]] = {}
    for each in collectors():
        name, labels = full_name(each), set(each._labelnames)
        found[name] = labels
        if each._type == "histogram":
            found |= dict.fromkeys((f"{name}_bucket", f"{name}_count", f"{name}_sum"), labels)
    return found


def expressions() -> list[str]:
    panels: list[dict[str, Any]] = json.loads((FOLDER / "fiona-dashboard.json").read_text("utf-8"))["panels"]
    targets = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [rule["expr"] for rule in ALERTS] + targets


def test_the_rules_are_rules() -> None:
    promtool("check", "rules", "fiona-rules.yaml")


def test_the_operators_rules_are_the_same() -> None:
    """Otherwise: python -m scripts.generate_prometheus_rule."""
    written = generate_prometheus_rule.WRITTEN.read_text("utf-8")
    assert written == generate_prometheus_rule.rule()
    assert yaml.safe_load(written)["spec"] == RULES


def test_every_alert_fires_when_it_should_and_not_before() -> None:
    promtool("test", "rules", "fiona-rules.test.yaml")
    tested = yaml.safe_load((FOLDER / "fiona-rules.test.yaml").read_text("utf-8"))["tests"]
    assert {each["name"] for each in tested} == {rule["alert"] for rule in ALERTS}


def test_they_speak_of_metrics_and_labels_that_there_are() -> None:
    known = metrics()
    for expression in expressions():
        named = set(METRIC.findall(expression))
        assert named <= set(known), expression
        labels = {part.strip() for found in LABEL.findall(expression) for part in (found[0] or found[1]).split(",")}
        allowed = set().union(*(known[name] for name in named)) if named else {"job"}
        assert labels - EVERYWHERE <= allowed, expression


def test_every_panel_asks_what_prometheus_understands(tmp_path: Path) -> None:
    asked = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions())]
    rules = tmp_path / "panels.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}))
    promtool("check", "rules", str(rules))


def test_alerts_say_how_grave_they_are_and_what_to_do() -> None:
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]
        assert re.search(rf"^\| [^|]*`{rule['alert']}`[^|]* \| .+ \| .+ \|$", page, re.MULTILINE), rule["alert"]


def test_the_dashboard_has_a_place_for_each_panel() -> None:
    board = json.loads((FOLDER / "fiona-dashboard.json").read_text("utf-8"))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    covered = [
        (panel["gridPos"]["x"] + right, panel["gridPos"]["y"] + down)
        for panel in board["panels"]
        for right in range(panel["gridPos"]["w"])
        for down in range(panel["gridPos"]["h"])
    ]
    assert len(set(covered)) == len(covered), "none lies over another"
    assert max(column for column, _ in covered) < 24
    assert all(
        target["datasource"]["uid"] == "${datasource}" for p in board["panels"] for target in p.get("targets", [])
    )
