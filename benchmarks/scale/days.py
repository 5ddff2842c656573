"""The simulation: studies queue for the cores of each part, the network, the shared volume and the research PACS."""

from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import simpy

from benchmarks.scale.capacity import PARTS, Capacity
from benchmarks.scale.scenario import Scenario, Study, studies

HOUR: Final = 3600
PIECE: Final = 100
"""Instances that hold a core in one go: others get their turn in between, as they do between batches."""
TOGETHER: Final = 16
"""Frames that a process is given at a time."""
Step = Generator[simpy.Event, Any, None]


@dataclass
class Station:
    """Something that can be busy: `units` of it (cores, associations, or one wire)."""

    env: simpy.Environment
    name: str
    units: int
    busy: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    waited: list[float] = field(default_factory=list)
    longest: int = 0

    def __post_init__(self) -> None:
        self._resource = simpy.Resource(self.env, self.units)

    def use(self, seconds: float) -> Step:
        """Wait for one unit, hold it so long."""
        if seconds <= 0:
            return
        came = self.env.now
        with self._resource.request() as turn:
            self.longest = max(self.longest, len(self._resource.queue))
            yield turn
            self.waited.append(self.env.now - came)
            self.busy[int(self.env.now // HOUR)] += seconds
            yield self.env.timeout(seconds)

    def utilisation(self) -> float:
        """Of all its units, in its busiest hour; above 1 it does until later what came then."""
        return max(self.busy.values(), default=0.0) / (HOUR * self.units)


@dataclass
class Days:
    """What became of it: the stations, the seconds from a study's last image to its last acknowledgement, the sums."""

    stations: dict[str, Station]
    until_acknowledged: list[float] = field(default_factory=list)
    until_indexed: list[float] = field(default_factory=list)
    came: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    instances: int = 0
    megabytes: float = 0.0
    researched_mb: float = 0.0
    events: int = 0


def simulate(scenario: Scenario, capacity: Capacity, days: int = 1, seed: int = 1) -> Days:
    """So many days and what is still under way when they end."""
    env = simpy.Environment()
    units = {part: scenario.replicas[part] * scenario.cores[part] for part in PARTS}
    units |= {"network": 1, "shared volume": 1, "research PACS": scenario.pacs_associations}
    outcome = Days({name: Station(env, name, number) for name, number in units.items()})
    road = _Road(env, scenario, capacity, outcome)

    def arrivals() -> Step:
        for study in studies(scenario, days, seed):
            yield env.timeout(study.begins - env.now)
            env.process(road.travel(study))

    env.process(arrivals())
    env.run()
    return outcome


@dataclass
class _Road:
    env: simpy.Environment
    scenario: Scenario
    capacity: Capacity
    outcome: Days

    def travel(self, study: Study) -> Step:
        """One study from its first image to its last acknowledgement."""
        outcome, pieces = self.outcome, list(_pieces(study))
        outcome.instances += study.instances
        outcome.megabytes += study.megabytes
        outcome.came[int(self.env.now // HOUR)] += study.megabytes
        # One event a second of an association, then arrived, requested, de-identified and acknowledged per series.
        outcome.events += round(study.megabytes / self.scenario.sender_mb_per_s) + 1 + study.series
        for piece in pieces:
            yield from self._received(*piece)
        sent = self.env.now
        for instances, megabytes in pieces:
            yield from self._work("indexer", instances, megabytes)
        outcome.until_indexed.append(self.env.now - sent)
        if not study.researched:
            return
        outcome.events += 4 * study.series
        outcome.researched_mb += study.megabytes
        yield self.env.timeout(self.scenario.quiet_seconds)
        yield from self._work("router", study.instances, 0)
        yield self.env.all_of(
            [
                *(self.env.process(self._deidentified(*piece)) for piece in pieces),
                *(self.env.process(self._read(TOGETHER)) for _ in range(study.frames_read // TOGETHER)),
                self.env.process(self._read(study.frames_read % TOGETHER)),
            ]
        )
        for piece in pieces:
            yield from self._sent(*piece)
        outcome.until_acknowledged.append(self.env.now - sent)

    def _received(self, instances: float, megabytes: float) -> Step:
        began = self.env.now
        yield from self._at("network", megabytes / self.scenario.network_mb_per_s)
        yield from self._work("receiver", instances, megabytes)
        yield from self._volume(megabytes)
        slower = megabytes / self.scenario.sender_mb_per_s - (self.env.now - began)
        if slower > 0:
            yield self.env.timeout(slower)

    def _deidentified(self, instances: float, megabytes: float) -> Step:
        yield from self._work("anonymizer", instances, megabytes)
        yield from self._volume(2 * megabytes)

    def _read(self, frames: int) -> Step:
        yield from self._at("anonymizer", frames * self.capacity.seconds_per_frame_read)

    def _sent(self, instances: float, megabytes: float) -> Step:
        yield from self._volume(megabytes)
        yield from self._work("sender", instances, megabytes)
        yield from self._at("research PACS", instances / self.capacity.pacs_instances_per_s)

    def _work(self, part: str, instances: float, megabytes: float) -> Step:
        """A part's cores, and its share of broker and database: a fifth, for five parts make the measured road."""
        yield from self._at(part, self.capacity.costs[part].seconds(instances, megabytes))
        for server in ("RabbitMQ", "PostgreSQL"):
            yield from self._at(server, self.capacity.costs[server].seconds(instances, megabytes) / 5)

    def _volume(self, megabytes: float) -> Step:
        yield from self._at("shared volume", megabytes / self.scenario.storage_mb_per_s)

    def _at(self, station: str, seconds: float) -> Step:
        yield from self.outcome.stations[station].use(seconds)


def _pieces(study: Study) -> Iterator[tuple[float, float]]:
    each: Any = study.megabytes / study.instances
    for first in range(0, study.instances, PIECE):
        number = min(PIECE, study.instances - first)
        yield number, number * each
