"""Regular expressions that people write, matched in time that is linear in the value, however they are made.

The engine is Rust's `regex`, which pydantic brings along: no backtracking, a bound on the size of a compiled
expression, and no look-around and back references, which need the one or burst the other (ADR 15).
"""

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

NONSENSE = "~ no name. of: any [participant] ~"
"""What fits this has no naming pattern."""


def problem(expression: str) -> str | None:
    """What is wrong with an expression; None: it can be used."""
    for each in (expression, _whole(expression)):
        try:
            _compiled(each)
        except SchemaError as error:
            return _in_words(str(error))
    return None


def fits(expression: str, value: str) -> bool:
    """Whether the whole value fits. An expression that cannot be used fits nothing."""
    return _matches(_whole(expression), value)


def found(expression: str, value: str) -> bool:
    """Whether the expression fits somewhere in the value."""
    return _matches(expression, value)


def is_open(expression: str) -> bool:
    """Whether an expression is no naming pattern at all, as it would let every PatientID through as a pseudonym."""
    return fits(expression, NONSENSE)


def _whole(expression: str) -> str:
    return rf"\A(?:{expression})\z"


def _matches(expression: str, value: str) -> bool:
    try:
        return _compiled(expression).isinstance_python(value)
    except SchemaError:
        return False


@lru_cache(maxsize=128)
def _compiled(expression: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=expression, regex_engine="rust-regex"))


def _in_words(error: str) -> str:
    """The engine's last line, which says what it is, without the expression itself."""
    if "size limit" in error:
        return "it is too large: it repeats too much"
    said = error.rstrip().splitlines()[-1].strip().removeprefix("error: ")
    return said if said else "it is no regular expression"
