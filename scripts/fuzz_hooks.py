"""What schemathesis is told while `scripts.fuzz_api` runs it."""

from typing import Any
from uuid import uuid4

import schemathesis

from services.api.idempotency import HEADER, KEY


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """A key that is one names this request only: of another request the same key is refused, as it should be."""
    name = HEADER.lower()
    if case.headers and KEY.fullmatch(case.headers.get(name, "")):
        case.headers[name] = str(uuid4())
