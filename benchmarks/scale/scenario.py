"""A place: how many studies come, of what kind and when, and what there is to take them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field

SCENARIOS: Final = Path(__file__).parent / "scenarios.yaml"
SIGMA: Final = math.log(3) / 1.2816
"""Of the logarithm of a study's instances: its 90th percentile is three times its median."""
DAY: Final = 86400


class Kind(BaseModel):
    """Studies of one modality."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    share: float = Field(gt=0)
    instances: int = Field(gt=0)
    mb: float = Field(gt=0)
    series: int = Field(gt=0)
    frames_read: int = 0


class Scenario(BaseModel):
    """What scenarios.yaml says of one place."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    says: str
    modalities: dict[str, Kind]
    hours: list[float] = Field(min_length=24, max_length=24)
    studies_per_day: int = Field(gt=0)
    researched: float = Field(ge=0, le=1)
    sender_mb_per_s: float = Field(gt=0)
    quiet_seconds: float = Field(ge=0)
    cores: dict[str, int]
    replicas: dict[str, int]
    network_mb_per_s: float = Field(gt=0)
    storage_mb_per_s: float = Field(gt=0)
    pacs_associations: int = Field(gt=0)

    @classmethod
    def named(cls, name: str, path: Path = SCENARIOS, **changes: Any) -> "Scenario":
        """From a file of them; KeyError where it has no such name."""
        return cls.model_validate({**yaml.safe_load(path.read_text("utf-8"))[name], **changes})


@dataclass(frozen=True)
class Study:
    """What somebody sends: when it begins (s), what it is, and whether a project wants it."""

    begins: float
    kind: str
    instances: int
    megabytes: float
    series: int
    frames_read: int
    researched: bool


def studies(scenario: Scenario, days: int, seed: int) -> Iterator[Study]:
    """The studies of so many days in their order; the same seed sends the same."""
    random = Random(seed)
    names, kinds = list(scenario.modalities), list(scenario.modalities.values())
    shares = [kind.share for kind in kinds]
    for day in range(days):
        hours = random.choices(range(24), scenario.hours, k=scenario.studies_per_day)
        for begins in sorted(day * DAY + (hour + random.random()) * 3600 for hour in hours):
            number = random.choices(range(len(kinds)), shares)[0]
            kind = kinds[number]
            larger = random.lognormvariate(0, SIGMA)
            instances = max(1, round(kind.instances * larger))
            yield Study(
                begins,
                names[number],
                instances,
                instances * kind.mb,
                min(kind.series, instances),
                round(kind.frames_read * larger),
                random.random() < scenario.researched,
            )
