"""Which REDCap projects there are for us: a token each, read anew every time so that one can be added any day."""

import re

from services.redcap.settings import RedcapSettings

INCOMING = ""
"""The name of the target that is no project's."""

TABLES = "*"
"""The name of what is read: treated as a target, so that one process at a time does it."""

_NAME = re.compile(r"[A-Za-z0-9_-]{5,20}")
_TOKEN = re.compile(r"[\x21-\x7e]{8,128}")


class Tokens:
    """Tokens by target; nothing shows one but `of`."""

    def __init__(self, settings: RedcapSettings) -> None:
        self._settings = settings

    def __repr__(self) -> str:
        return "Tokens(…)"

    def targets(self) -> list[str]:
        """All that can be written to, Incoming first."""
        settings = self._settings
        if settings.url is None:
            return []
        names = [INCOMING] if settings.incoming_token is not None else []
        if settings.tokens is not None and settings.tokens.is_dir():
            names += sorted(path.name for path in settings.tokens.iterdir() if _NAME.fullmatch(path.name))
        return names

    def has(self, target: str) -> bool:
        """Whether a target can be written to."""
        return target in self.targets()

    def of(self, target: str) -> str | None:
        """Its token; None when there is none that could be one."""
        if target == INCOMING:
            secret = self._settings.incoming_token
            return secret.get_secret_value() if secret is not None else None
        if self._settings.tokens is None:
            return None
        try:
            token = (self._settings.tokens / target).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return token if _TOKEN.fullmatch(token) else None
