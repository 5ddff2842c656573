"""All methods of a path: what a 405 has to say (RFC 9110 §15.5.6), where the router looks at one route only."""

from collections.abc import Sequence
from functools import lru_cache
from re import Pattern

from fastapi import FastAPI
from starlette.routing import compile_path


def allowed(app: FastAPI, path: str) -> str | None:
    """The value of Allow; None where the schema knows no such path.

    A path that names a thing (`coupling/counts`) is not also one with a parameter in its place (`coupling/{identity}`).
    """
    matching = [(parameters, methods) for pattern, parameters, methods in _paths(app) if pattern.match(path)]
    nearest = min((parameters for parameters, _ in matching), default=0)
    found = {method for parameters, methods in matching if parameters == nearest for method in methods}
    return ", ".join(sorted(found)) or None


@lru_cache(maxsize=4)
def _paths(app: FastAPI) -> Sequence[tuple[Pattern[str], int, tuple[str, ...]]]:
    paths = app.openapi()["paths"]
    return [(compile_path(path)[0], path.count("{"), tuple(method.upper() for method in paths[path])) for path in paths]
