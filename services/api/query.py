"""A query is asked by parameters that its operation knows, each once: a filter that is misspelt would filter nothing.

Whoever asks for `?stat=failed` would be shown everything, and act on it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from services.api.problems import FieldError, invalid

OTHERS_ADD: Final = frozenset({"come_from_provider", "store_instances", "store_study_instances"})
"""Operations where what is not known is ignored, as others' standards have it: a provider of OpenID Connect adds to its
answer what it likes (RFC 6749 §4.1.2), and a client of DICOMweb to any request (PS3.18 §8.3)."""

WORD: Final = re.compile(r"[a-z][a-z_-]{0,31}")
"""As parameters are written; any other name that nobody knows may be anything that a person has typed."""


def parameters(route: APIRoute) -> tuple[str, ...]:
    """What the query of an operation may name, also to what it depends on."""
    return tuple(dict.fromkeys(_names(route.dependant)))


async def understood(request: Request) -> None:
    """A dependency of the whole application: a problem unless each parameter is known, and given once."""
    route = request.scope.get("route")
    if not request.scope["query_string"] or not isinstance(route, APIRoute) or route.name in OTHERS_ADD:
        return
    known = parameters(route)
    given = Counter(name for name, _ in request.query_params.multi_items())
    wrong = [_unknown(name, known) for name in given if name not in known]
    wrong += [
        FieldError(loc=["query", name], msg="is given more than once", type="repeated")
        for name in known
        if given[name] > 1
    ]
    if wrong:
        raise invalid(*wrong)


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (each.alias for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from _names(each)


def _unknown(name: str, known: tuple[str, ...]) -> FieldError:
    place: list[str | int] = ["query", name] if WORD.fullmatch(name) else ["query"]
    what = "is not known here" if len(place) > 1 else "holds a parameter that is not known here"
    return FieldError(loc=place, msg=f"{what}; known: {', '.join(known) or 'none'}", type="extra_forbidden")
