"""What an operator has switched off: receiving, de-identifying, sending.

`switches/<name>.off` in the store says that it is off, why, since when and by whom; without that file it is on. The
file's being there is what counts, so that a person without an api can make or remove one by hand. Whoever asks needs
neither database nor broker, and looks at the disk once a second at most.
"""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from prometheus_client import Gauge

from shared.store import Store, sync_folder
from shared.switchable import Switch
from shared.tables.base import now

FRESH: Final = 1.0
"""Seconds for which an answer holds."""

STATE = Gauge("fiona_switch_off", "1: somebody has switched it off, as this process sees it", ["switch"])


@dataclass(frozen=True)
class Off:
    """Why something is off; of a file made by hand nothing may be known."""

    reason: str = ""
    who: str = ""
    since: str = ""


class Switches:
    """The switches of a store."""

    def __init__(self, store: Store, fresh: float = FRESH) -> None:
        self._store = store
        self._fresh = fresh
        self._known: dict[Switch, tuple[float, bool]] = {}

    def is_on(self, switch: Switch) -> bool:
        """Whether it is on. A disk that cannot be read has no say: it stays as it was."""
        looked, on = self._known.get(switch, (float("-inf"), True))
        if time.monotonic() - looked < self._fresh:
            return on
        with suppress(OSError):
            on = not self._is_there(switch)
        self._known[switch] = time.monotonic(), on
        STATE.labels(switch.value).set(not on)
        return on

    def all(self) -> Mapping[Switch, Off | None]:
        """Each with what is known of why it is off (None: it is on), as the disk says it now; OSError."""
        return {switch: self._read(switch) if self._is_there(switch) else None for switch in Switch}

    def turn_off(self, switch: Switch, reason: str, who: str) -> None:
        """Durably; of one that is off already the reason is replaced. OSError when it cannot be written."""
        off = Off(reason, who, now().isoformat(timespec="seconds"))
        self._store.write(_path(switch), json.dumps(asdict(off), ensure_ascii=False).encode())
        self._known.clear()

    def turn_on(self, switch: Switch) -> None:
        """Durably; one that is on stays so."""
        path = self._place(switch)
        with suppress(FileNotFoundError):
            path.unlink()
            sync_folder(path.parent)
        self._known.clear()

    def _place(self, switch: Switch) -> Path:
        return self._store / _path(switch)

    def _is_there(self, switch: Switch) -> bool:
        try:
            self._place(switch).lstat()
        except FileNotFoundError:
            return False
        return True

    def _read(self, switch: Switch) -> Off:
        try:
            said = json.loads(self._place(switch).read_text("utf-8"))
            return Off(**{name: str(said[name]) for name in Off.__dataclass_fields__ if name in said})
        except (OSError, ValueError, TypeError):
            return Off()


def _path(switch: Switch) -> str:
    return f"switches/{switch.value}.off"
