"""What a heartbeat has left in the store goes, and nothing else that may lie beside it."""

import shutil
from contextlib import suppress

from shared.heartbeat import source
from shared.heartbeat.image import is_made_up
from shared.store import Store


def remove_files(store: Store, heartbeat: str) -> None:
    """The received and the de-identified instance; what is not there is removed already."""
    file = store / source(heartbeat)
    if is_made_up(file, heartbeat):
        file.unlink(missing_ok=True)
    with suppress(OSError):
        file.parent.rmdir()
    shutil.rmtree(store / f"anonymized/{heartbeat}", ignore_errors=True)
