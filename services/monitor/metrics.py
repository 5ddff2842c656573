"""What the monitor has measured, for those who ask by Prometheus.

What is not there any more is not measured any more, and who is not the monitor any more says nothing: an old value
would be the worst one for ever.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from prometheus_client import Counter, Gauge

STATE = Gauge("fiona_monitor_check_state", "0: ok, 1: warning, 2: failing", ["check", "subject"])
ECHO = Gauge("fiona_monitor_echo_seconds", "How long the last answer took", ["check", "subject"])
QUEUE = Gauge("fiona_monitor_queue_messages", "Messages waiting or in hand", ["queue"])
STALLED = Gauge("fiona_monitor_queue_stalled_seconds", "Not empty, and nothing was handled for so long", ["queue"])
OLDEST = Gauge("fiona_monitor_queue_oldest_seconds", "Age of the oldest message, as far as it can be told", ["queue"])
DEAD = Gauge("fiona_monitor_dead_letters", "Messages that nobody could handle")
OWED = Gauge("fiona_monitor_owed_instances", "Instances acknowledged and in the journal, whoever's, not on the bus")
OWED_OLDEST = Gauge("fiona_monitor_owed_oldest_seconds", "For how long the oldest of them has been owed")
STUCK = Gauge("fiona_monitor_stuck", "Things that wait longer than they should", ["step"])
DISK_USED = Gauge("fiona_monitor_disk_used_ratio", "How full a disk is", ["subject"])
DISK_FREE = Gauge("fiona_monitor_disk_free_bytes", "What an ordinary user may still write", ["subject"])
EXPIRES = Gauge("fiona_monitor_certificate_expires_timestamp_seconds", "When a certificate ends", ["subject"])
SKEW = Gauge("fiona_monitor_clock_skew_seconds", "Another clock minus ours", ["subject"])
HEARTBEAT = Gauge("fiona_monitor_heartbeat_seconds", "What the last whole heartbeat took, by step and in all", ["step"])
HEARTBEATS = Counter("fiona_monitor_heartbeats_total", "Heartbeats by what became of them", ["outcome"])
LAST_HEARTBEAT = Gauge("fiona_monitor_heartbeat_last_timestamp_seconds", "When the last one arrived whole")
ROUND = Gauge("fiona_monitor_round_timestamp_seconds", "When all was last looked at")
ALERTS = Counter("fiona_monitor_alerts_total", "Changes that people were told of", ["channel", "outcome"])

BY_SUBJECT: Final[Mapping[str, tuple[Gauge, ...]]] = {
    "certificate": (EXPIRES,),
    "clock": (SKEW,),
    "disk": (DISK_USED, DISK_FREE),
}
"""What else is known of a thing, by the sort of it."""
FOUND: Final = (STATE, ECHO, QUEUE, STALLED, OLDEST, STUCK, DISK_USED, DISK_FREE, EXPIRES, SKEW, HEARTBEAT)


def forget(check: str, subject: str) -> None:
    """A thing is not there any more."""
    for gauge in (STATE, ECHO):
        with suppress(KeyError):
            gauge.remove(check, subject)
    for gauge in BY_SUBJECT.get(check, ()):
        with suppress(KeyError):
            gauge.remove(subject)


def forget_all() -> None:
    """Another one is the monitor now."""
    for gauge in FOUND:
        gauge.clear()
    for number in (DEAD, OWED, OWED_OLDEST):
        number.set(0)
