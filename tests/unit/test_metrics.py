"""Every metric that the code has: its name, its help, its labels, and its place on the page about metrics."""

import re
from typing import Any

import pytest

from scripts.generate_metric_docs import LABELS, collectors, full_name, place
from services.__main__ import NAMES

PARTS = {*NAMES, "service", "bus", "outbox", "journal", "tracing", "switch", "store", "monitor", "janitor"}


def idfn(collector: Any) -> str:
    return full_name(collector)


@pytest.mark.parametrize("collector", collectors(), ids=idfn)
def test_a_metric_keeps_to_the_rules(collector: Any) -> None:
    name = full_name(collector)
    assert re.fullmatch(r"fiona_[a-z]+(_[a-z]+)+", name)
    assert place(name) in PARTS
    assert len(collector._documentation) > 10
    assert not collector._documentation.endswith(".")
    assert set(collector._labelnames) <= set(LABELS)
    assert len(collector._labelnames) <= 3
    if collector._type == "histogram":
        assert name.endswith("_seconds")
        assert list(collector._upper_bounds) == sorted(collector._upper_bounds)
    assert (collector._type == "counter") == name.endswith("_total")


def test_every_service_that_does_something_counts_it() -> None:
    assert set(NAMES) <= {place(full_name(each)) for each in collectors()}
