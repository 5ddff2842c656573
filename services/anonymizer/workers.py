"""De-identification in processes of its own: off the event loop, on all cores, each instance at its own risk."""

import asyncio
import errno
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deidentification.dataset.pseudonyms import STAYED
from deidentification.processes import Broken, Limits, Processes
from deidentification.review import Kept, KeptRow
from services.anonymizer.batch import Outcome, Series, Work, settled
from shared.handlers import Retry
from shared.volume import FULL


@dataclass(frozen=True)
class Done:
    """What became of every instance of a Work, in its order, and the attributes that are left in the results.

    `given` are pseudonyms in these that derived objects will repeat.
    """

    outcomes: list[Outcome]
    kept: list[KeptRow]
    given: frozenset[str] = frozenset()

    @property
    def stayed(self) -> int:
        """Elements in which a pseudonym stayed."""
        return sum(each.result.actions.get(STAYED, 0) for each in self.outcomes if each.result is not None)


class Workers:
    """The processes that de-identify, for as long as the service runs."""

    def __init__(self, count: int, batch: int, limits: Limits | None = None) -> None:
        self._batch = batch
        self._processes = Processes(count, limits or Limits())

    async def run(self, work: Work) -> Done:
        """Do the work. An instance that crashes, hangs or fills its process is quarantined; the others go on.

        Retry when the archive cannot be read or processes cannot live, OSError when the disk is full.
        """
        batches = [work.sources[start : start + self._batch] for start in range(0, len(work.sources), self._batch)]
        futures = [asyncio.wrap_future(future) for future in self._processes.run(Series(work), batches)]
        # All of them are waited for: a work that is tried again must not meet itself.
        ended = await asyncio.gather(*futures, return_exceptions=True)
        _complain([end for end in ended if isinstance(end, BaseException)])
        outcomes: list[Outcome] = []
        kept, given = Kept(), set[bytes]()
        for batch, end in zip(batches, ended, strict=True):
            if not isinstance(end, BaseException):
                outcomes += [settled(uid, answer) for (uid, _), answer in zip(batch, end.answers, strict=True)]
                for harvest in end.harvests:
                    kept.take(harvest.tally)
                    given |= harvest.given
        return Done(outcomes, kept.rows(), frozenset(value.decode("ascii", "replace") for value in given))

    def close(self) -> None:
        """End the processes; what they are at will be done again."""
        self._processes.close()


def _complain(problems: Sequence[BaseException]) -> None:
    """Raise what is to be made of the first of the problems."""
    for problem in problems:
        if isinstance(problem, OSError) and problem.errno not in FULL:
            name = errno.errorcode.get(problem.errno or 0, "an error without a number")
            raise Retry(f"the store cannot be read or written ({name})") from problem
        if isinstance(problem, Broken):
            raise Retry("de-identifying processes die before they do anything") from problem
        raise problem


def remove_strangers(folder: Path, kept: set[str]) -> None:
    """Remove what an interrupted run left in a folder beside the files that count."""
    for path in folder.glob("*"):
        if path.name not in kept:
            with suppress(FileNotFoundError):
                path.unlink()
