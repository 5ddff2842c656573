"""What is on disk of a part that nobody wants any more goes."""

import shutil

from shared.events import TransferRequested
from shared.store import Store


def remove_part(store: Store, event: TransferRequested) -> None:
    """Remove de-identified files and findings of a part; what is not there is removed already."""
    places = (
        store.anonymized(event.transfer, event.series_instance_uid, event.revision),
        f"review/{event.transfer}/{event.series_instance_uid}/{event.revision}",
    )
    for place in places:
        shutil.rmtree(store / place, ignore_errors=True)
