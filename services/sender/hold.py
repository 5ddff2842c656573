"""Sending and withdrawing of one transfer exclude each other, among tasks, processes and machines that share the store.

Parts are sent beside each other; who withdraws is alone. The kernel gives back what a killed process held.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from shared.handlers import Retry
from shared.store import Store

AGAIN = 5.0
"""Seconds until somebody comes back who found it held."""


@contextmanager
def held(store: Store, transfer: str, *, alone: bool) -> Iterator[None]:
    """Hold a transfer's files; Retry when that cannot be now. Without files there is nothing to send, nor to hold."""
    folder = store / f"anonymized/{transfer}"
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
    except FileNotFoundError:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Retry("a part of it is just being " + ("sent" if alone else "withdrawn"), delay=AGAIN) from None
        yield
    finally:
        os.close(descriptor)
