"""The policies: what may go when, as an operator writes it down. Wrong ones stop the start."""

from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.events import RetentionLimits
from shared.retention.rows import AGED

Days = Annotated[float, Field(ge=0, le=36500)]
Percent = Annotated[float, Field(gt=0, lt=100)]


class _Policy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ByDisk(_Policy):
    """What goes, oldest first, when the disk is fuller than `high`, until it is no fuller than `low`."""

    high: Percent = Field(default=80, description="percent of the capacity at which removing begins")
    low: Percent = Field(default=70, description="and at which it ends")
    quota_gib: float | None = Field(
        default=None,
        gt=0,
        description="the capacity, where the volume is shared with others or has no limit of its own",
    )
    min_days: Days = Field(default=30, description="nothing younger goes, however full the disk is")
    after_days: Days | None = Field(default=None, description="what is older goes, however empty it is; null: never")
    counted: bool = Field(default=True, description="only what the destination has confirmed when it was asked")

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.after_days is not None and self.after_days < self.min_days:
            raise ValueError("after_days must not be below min_days")
        return self


class ArchivePolicy(ByDisk):
    """The originals."""

    unassigned_days: Days | None = Field(
        default=180, description="what nobody has assigned for so long may go as well, after all else; null: never"
    )

    @property
    def limits(self) -> RetentionLimits:
        """What whoever removes has to look at again."""
        return RetentionLimits(min_days=self.min_days, unassigned_days=self.unassigned_days, counted=self.counted)


class AnonymizedPolicy(ByDisk):
    """De-identified files of transfers that are completed, or failed and were done again; their manifests stay."""

    anonymous_days: Days | None = Field(
        default=None, description="after which those of anonymous projects go as well; null: never"
    )
    stopped_days: Days | None = Field(default=7, description="what cancelled and withdrawn transfers have left")

    @property
    def limits(self) -> RetentionLimits:
        """As of the archive."""
        return RetentionLimits(min_days=self.min_days, counted=self.counted, anonymous_days=self.anonymous_days)


class Aged(_Policy):
    """What goes by its age alone."""

    days: Days | None = None


class Policies(_Policy):
    """All of them."""

    archive: ArchivePolicy = ArchivePolicy()
    anonymized: AnonymizedPolicy = AnonymizedPolicy()
    answers: Aged = Field(
        default=Aged(days=365), description="what was answered to each instance of what was taken whole"
    )
    review: Aged = Field(default=Aged(days=90), description="pictures of pixels of completed transfers")
    exports: Aged = Field(default=Aged(days=30), description="projects' exports but the last ones")
    identities: Aged = Field(default=Aged(), description="who studies were of, after their files are gone")
    temporary: Aged = Field(default=Aged(days=2), description="what writers left that were killed")
    links: Aged = Field(default=Aged(days=1), description="links that lead nowhere, and empty folders")
    rows: dict[str, Days | None] = Field(
        default_factory=lambda: {name: aged.days for name, aged in AGED.items()},
        description="rows of tables, by table; null: they stay",
    )

    @field_validator("rows")
    @classmethod
    def _known_tables(cls, rows: dict[str, float | None]) -> dict[str, float | None]:
        for name, days in rows.items():
            if name not in AGED:
                raise ValueError(f"no policy is for {name!r}; there are: {', '.join(AGED)}")
            if days is not None and days < AGED[name].least:
                raise ValueError(f"rows of {name} are needed for {AGED[name].least:g} days")
        return {name: aged.days for name, aged in AGED.items()} | rows


def load(path: Path | None, published_days: float = 0) -> Policies:
    """The policies of a file, or those by default. Raises OSError, ValueError.

    What was published for so long may be published again: so long the inbox must know that it was handled.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8")) if path is not None else {}
    except yaml.YAMLError as error:
        raise ValueError("the policies are no YAML") from error
    policies = Policies.model_validate(content or {})
    inbox = policies.rows["inbox"]
    if inbox is not None and inbox <= published_days:
        raise ValueError(f"rows of inbox are needed for longer than FIONA_PUBLISHED_DAYS, which is {published_days:g}")
    return policies
