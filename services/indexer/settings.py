"""What an operator may set about indexing."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import FionaSettings


class IndexerSettings(FionaSettings):
    """FIONA_INDEXER_…: how long to wait for the rest of a series, and how images are sorted into types."""

    model_config = SettingsConfigDict(env_prefix="FIONA_INDEXER_", frozen=True)

    quiet_seconds: float = Field(default=15, ge=0, description="a series is whole after this long without an instance")
    quiet_agreed_seconds: float = Field(
        default=2, ge=0, description="the same, once it has as many instances as somebody said it would"
    )
    hard_limit_seconds: float = Field(
        default=4 * 3600, gt=0, description="a series is published after this long whatever is still open"
    )
    compare_seconds: float = Field(
        default=60,
        ge=0,
        description="a closed association whose count does not agree is silent for this long before the files of what "
        "it holds are compared to the catalogue; longer than a network file system remembers what is in a folder",
    )
    give_up_seconds: float = Field(
        default=600,
        gt=0,
        description="a closed association whose count never agrees holds its series for this long after its last sign",
    )
    series_per_tick: int = Field(default=200, gt=0, description="series looked at per second, the oldest first")
    unassigned_identity_days: float | None = Field(
        default=None,
        ge=1,
        description="identities of studies that nobody has assigned for so many days are removed; by default none are",
    )
    archived_identity_days: float | None = Field(
        default=None,
        ge=1,
        description="the same of studies whose projects have all been archived for so many days",
    )
    readers: int = Field(default=2, gt=0, description="threads that read headers")
    classify_rules: Path | None = Field(
        default=None,
        description="classification rules (JSON, the original's format); by default those shipped",
    )
