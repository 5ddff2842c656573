"""What is wrong with a profile: where, and what."""

from collections.abc import Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One fault: the place in the profile ('attributes.StudyDate', 'line 3') and a sentence."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ProfileError(Exception):
    """A profile that cannot be applied, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "; ".join(str(problem) for problem in self.problems)
