"""What an operator may set about sending."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import FionaSettings


class SenderSettings(FionaSettings):
    """How patient the sender is, and with how much at a time."""

    model_config = SettingsConfigDict(env_prefix="FIONA_SENDER_", frozen=True)

    batch_seconds: float = Field(default=0.5, gt=0, description="how often answers are kept while sending")
    stow_bytes: int = Field(default=64 * 2**20, gt=0, description="of one STOW-RS request, about")
    circuit_failures: int = Field(default=3, ge=1, description="failures in a row that open a circuit")
    probe_seconds: float = Field(default=10, gt=0, description="between probes of a destination that is down")
    slot_seconds: float = Field(default=30, gt=0, description="how long a part waits for its turn at once")
    patience_hours: float = Field(
        default=72, ge=0, description="how long an instance may be answered 'later' until that is a refusal"
    )
    count_tries: int = Field(default=6, ge=1, description="how often acknowledged instances are looked for")
