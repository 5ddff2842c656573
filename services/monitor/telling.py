"""Who is told what, and when: each change once, what is well again, too, and nothing in quiet hours that can wait.

What people were told last stands beside what is so; they are told when the two differ. So a failure that comes and goes
in quiet hours is never told, and one that a mail server or webhook did not take is told later, as it then is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Final, Literal
from zoneinfo import ZoneInfo

from services.monitor.settings import MonitorSettings
from services.monitor.settling import Known

Channel = Literal["mailed", "posted"]
WORDS: Final = {"ok": "is well again", "warning": "needs a look", "failing": "has failed"}


def is_quiet(settings: MonitorSettings, zone: ZoneInfo, now: datetime) -> bool:
    """Whether it is between the hours; they may lie around midnight."""
    start, end = settings.quiet_from, settings.quiet_until
    if start is None or end is None:
        return False
    local: time = now.astimezone(zone).time()
    return start <= local < end if start < end else local >= start or local < end


def untold(everything: Iterable[Known], channel: Channel, settings: MonitorSettings, quiet: bool) -> list[Known]:
    """What a channel has to tell now, worst first. In quiet hours a failure is told if it may be, and its end."""
    different = [known for known in everything if known.state != getattr(known, channel)]
    if quiet and settings.quiet_for == "all":
        return []
    if quiet:
        different = [known for known in different if "failing" in (known.state, getattr(known, channel))]
    rank = {"failing": 0, "warning": 1, "ok": 2}
    return sorted(different, key=lambda known: (rank[known.state], known.key))


def mail(settings: MonitorSettings, changes: Sequence[Known], zone: ZoneInfo) -> tuple[str, str]:
    """Subject and text of one mail that tells all of them."""
    first = changes[0]
    more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    subject = f"{settings.name}: {called(first)} {WORDS[first.state]}{more}"
    lines = [
        f"{known.state.upper():8}{called(known)}, since {known.since.astimezone(zone):%Y-%m-%d %H:%M}\n"
        f"        {known.detail}"
        for known in changes
    ]
    return subject[:200], "\n".join(lines) + "\n\nAll that is looked at: `fiona monitor`.\n"


def body(settings: MonitorSettings, changes: Sequence[Known], now: datetime) -> dict[str, object]:
    """What a webhook is told."""
    return {
        "source": settings.name,
        "at": now.isoformat(timespec="seconds"),
        "changes": [
            {
                "check": known.name,
                "subject": known.subject,
                "before": known.posted,
                "state": known.state,
                "since": known.since.isoformat(timespec="seconds"),
                "detail": known.detail,
            }
            for known in changes
        ],
    }


def called(known: Known) -> str:
    """A thing, as people call it."""
    return f"{known.name} {known.subject}".strip()
