"""What an operator may set about de-identification."""

import os

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import FionaSettings


class AnonymizerSettings(FionaSettings):
    """FIONA_ANONYMIZER_…: how much of the machine it takes."""

    model_config = SettingsConfigDict(env_prefix="FIONA_ANONYMIZER_", frozen=True)

    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, gt=0, description="processes that de-identify")
    batch: int = Field(default=16, gt=0, description="instances that a process is given at a time")
    series: int = Field(default=4, gt=0, description="series in hand at once")
    time_limit: float = Field(default=1800, gt=0, description="seconds that one instance may take")
    memory: int = Field(default=3072, ge=512, description="megabytes of data that one process may hold")
