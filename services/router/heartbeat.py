"""A heartbeat belongs to no project: it is to be de-identified by a built-in profile, and goes nowhere."""

from shared.events import Event, SeriesArrived, TransferRequested
from shared.heartbeat import DESTINATION, PROFILE, passed


def pass_on(event: SeriesArrived, heartbeat: str) -> list[Event]:
    """What the anonymizer is asked for."""
    asked = TransferRequested(
        transfer=heartbeat,
        parts=1,
        project="",
        participant="",
        event="",
        destinations=(DESTINATION,),
        profile=PROFILE,
        study_instance_uid=event.study_instance_uid,
        series_instance_uid=event.series_instance_uid,
        revision=event.revision,
        instances=event.instances,
        heartbeat=heartbeat,
    )
    return [asked, passed(heartbeat, "route")]
