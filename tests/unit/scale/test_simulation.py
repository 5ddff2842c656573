"""The simulation agrees with what can be worked out by hand, and with the road as it was measured."""

import json
from pathlib import Path
from typing import Any

import pytest
import simpy

from benchmarks.measure import row
from benchmarks.scale.capacity import PARTS, Capacity, Cost
from benchmarks.scale.days import HOUR, Days, Station, simulate
from benchmarks.scale.scenario import Scenario, studies

FREE = Capacity(dict.fromkeys(PARTS, Cost(0)), 0, 1e9, "nothing costs anything")


def place(**changes: Any) -> Scenario:
    return Scenario.named("hospital", **changes)


def one_study(instances: int, mb: float) -> Scenario:
    kind = {"share": 1, "instances": instances, "mb": mb, "series": 1}
    return place(modalities={"CT": kind}, studies_per_day=1, researched=1, quiet_seconds=1)


def busy(outcome: Days, name: str) -> float:
    return sum(outcome.stations[name].busy.values())


def test_a_station_serves_in_turn_and_counts_each_hour() -> None:
    env = simpy.Environment()
    station = Station(env, "core", 2)
    for _ in range(4):
        env.process(station.use(HOUR))
    env.run()
    assert env.now == 2 * HOUR
    assert station.waited == [0, 0, HOUR, HOUR]
    assert station.longest == 2
    assert dict(station.busy) == {0: 2 * HOUR, 1: 2 * HOUR}
    assert station.utilisation() == 1


def test_work_is_what_the_studies_cost() -> None:
    scenario, capacity = place(researched=1), Capacity.read()
    outcome = simulate(scenario, capacity, days=2, seed=3)
    sent = list(studies(scenario, 2, 3))
    assert len(sent) == 2 * scenario.studies_per_day == len(outcome.until_acknowledged)
    instances, megabytes = sum(each.instances for each in sent), sum(each.megabytes for each in sent)
    assert outcome.instances == instances
    assert outcome.megabytes == pytest.approx(megabytes)
    for part in ("receiver", "indexer", "sender"):
        assert busy(outcome, part) == pytest.approx(capacity.costs[part].seconds(instances, megabytes))
    read = sum(each.frames_read for each in sent) * capacity.seconds_per_frame_read
    assert busy(outcome, "anonymizer") == pytest.approx(
        capacity.costs["anonymizer"].seconds(instances, megabytes) + read
    )


def test_what_no_project_wants_is_only_received_and_indexed() -> None:
    outcome = simulate(place(researched=0), Capacity.read())
    assert not outcome.until_acknowledged
    assert busy(outcome, "anonymizer") == busy(outcome, "sender") == outcome.researched_mb == 0
    assert len(outcome.until_indexed) == 300


def test_the_same_seed_is_the_same_day() -> None:
    days = [simulate(place(), Capacity.read(), seed=seed).until_acknowledged for seed in (1, 1, 2)]
    assert days[0] == days[1] != days[2]


def test_more_replicas_wait_less() -> None:
    slow = place(researched=1, hours=[1] + 23 * [0])
    more = slow.model_copy(update={"replicas": {**slow.replicas, "anonymizer": 4}})
    few, many = (simulate(each, Capacity.read()) for each in (slow, more))
    assert max(many.until_acknowledged) < max(few.until_acknowledged)
    assert busy(many, "anonymizer") == pytest.approx(busy(few, "anonymizer"))
    assert many.stations["anonymizer"].utilisation() < few.stations["anonymizer"].utilisation()


def test_only_waiting_is_left_where_nothing_costs_anything() -> None:
    roomy = one_study(10, 0.001).model_copy(update={"storage_mb_per_s": 1e9, "network_mb_per_s": 1e9})
    assert simulate(roomy, FREE).until_acknowledged == [pytest.approx(1, abs=1e-3)]


def test_one_study_takes_about_what_the_road_took() -> None:
    """400 CT slices took 5.2 s from the last image on (benchmarks/README.md), on two cores that all parts share."""
    scenario = one_study(400, 0.53).model_copy(update={"storage_mb_per_s": 2000})
    seconds = [s for seed in range(40) for s in simulate(scenario, Capacity.read(), seed=seed).until_acknowledged]
    sizes = [each.instances for seed in range(40) for each in studies(scenario, 1, seed)]
    per_study_of_400 = 1 + (sum(seconds) - len(seconds)) * 400 / sum(sizes)
    assert 5.2 / 1.5 < per_study_of_400 < 5.2 * 1.5


def test_figures_of_a_run_of_ones_own_are_taken(tmp_path: Path) -> None:
    rows = [row("road", "CPU seconds by process", part, "s", 0.8) for part in PARTS]
    rows.append(row("road", "stage: send", "FIONA", "s", 2))
    for case, value in (("CT 0.53 MB, 1 association", 400), ("MR 0.14 MB, 1 association", 500)):
        rows.append(row("reception", case, "FIONA", "instances/s", value))
    for case, value in (("CT 0.53 MB × 300", 1600), ("MR 0.14 MB × 300", 2000)):
        rows.append(row("sending", case, "FIONA, client", "instances/s", value))
    rows.append(row("deidentification", "CT series, CPU per instance", "cp", "ms", 0.265, peer=True))
    path = tmp_path / "bench.json"
    path.write_text(json.dumps({"rows": rows}), "utf-8")
    capacity = Capacity.read(path)
    assert capacity.pacs_instances_per_s == 200
    for cost in capacity.costs.values():
        assert cost.seconds(1, 0.53) == pytest.approx(0.002, abs=2e-6)
    assert capacity.costs["receiver"].mb == pytest.approx((1 / 400 - 1 / 500) / 0.39, abs=1e-6)
    assert capacity.costs["anonymizer"].mb == pytest.approx(0.0005)
    assert capacity.costs["indexer"].mb == 0
