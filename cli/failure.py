"""How a command ends when it does not do what it was asked to: one line for people, one number for scripts."""

from enum import IntEnum


class Code(IntEnum):
    """The exit codes of `fiona`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    CONFLICT = 5
    DENIED = 6


class Failure(Exception):
    """Said on stderr as one line; the process ends with `code`."""

    def __init__(self, message: str, code: Code = Code.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
