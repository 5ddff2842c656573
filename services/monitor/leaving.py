"""What a heartbeat has left in the store goes; nobody else's file is in these folders."""

import shutil

from shared.heartbeat import source
from shared.store import Store


def remove_files(store: Store, heartbeat: str) -> None:
    """The received and the de-identified instance; what is not there is removed already."""
    shutil.rmtree((store / source(heartbeat)).parent, ignore_errors=True)
    shutil.rmtree(store / f"anonymized/{heartbeat}", ignore_errors=True)
