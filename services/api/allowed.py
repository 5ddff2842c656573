"""All methods of a path: what a 405 has to say (RFC 9110 §15.5.6), where the router looks at one route only."""

from collections.abc import Sequence
from functools import lru_cache
from re import Pattern

from fastapi import FastAPI
from starlette.routing import compile_path


def allowed(app: FastAPI, path: str) -> str | None:
    """The value of Allow; None where the schema knows no such path."""
    found = {method for pattern, methods in _paths(app) if pattern.match(path) for method in methods}
    return ", ".join(sorted(found)) or None


@lru_cache(maxsize=4)
def _paths(app: FastAPI) -> Sequence[tuple[Pattern[str], tuple[str, ...]]]:
    paths = app.openapi()["paths"]
    return [(compile_path(path)[0], tuple(method.upper() for method in paths[path])) for path in paths]
