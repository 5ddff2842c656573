"""`python -m scripts.generate_prometheus_rule`: the rules of deploy/monitoring, as Prometheus's operator reads them."""

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "deploy/monitoring"
RULES = FOLDER / "fiona-rules.yaml"
WRITTEN = FOLDER / "prometheus-rule.yaml"
HEAD = """\
# Written by scripts/generate_prometheus_rule.py out of fiona-rules.yaml: change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: fiona
spec:
"""


def rule() -> str:
    """The same groups, a level deeper."""
    lines = RULES.read_text("utf-8").splitlines(keepends=True)
    groups = lines[lines.index("groups:\n") :]
    return HEAD + "".join(f"  {line}" if line.strip() else line for line in groups)


if __name__ == "__main__":
    WRITTEN.write_text(rule(), "utf-8")
