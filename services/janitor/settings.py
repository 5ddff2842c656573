"""What an operator may set about the janitor; what it removes when is in the policies."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import FionaSettings


class JanitorSettings(FionaSettings):
    """FIONA_JANITOR_…: where the policies are, how often it looks, and in how small steps it works."""

    model_config = SettingsConfigDict(env_prefix="FIONA_JANITOR_", frozen=True)

    policies: Path | None = Field(default=None, description="the policies (YAML); by default those that are shipped")
    every_seconds: float = Field(default=3600, gt=0, description="from the beginning of one run to the next")
    poll_seconds: float = Field(default=2, gt=0, description="how often it looks for orders and answers")
    page: int = Field(default=50, gt=0, le=500, description="studies, transfers or folders looked at in one step")
    in_hand: int = Field(default=20, gt=0, description="removals that were asked for and not answered, at most")
    patience_seconds: float = Field(
        default=3600, gt=0, description="a removal that nobody answers for so long is no longer waited for"
    )
    young_seconds: float = Field(
        default=3600, ge=0, description="the doctor passes over files that are younger: they may be on their way"
    )
