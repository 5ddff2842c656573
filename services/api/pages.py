"""Pages: where a provider's sign-in ends, and where a mailed link leads.

What is behind the `#` of that link never reaches a server, a proxy's log or another site.
"""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

HERE: Final = Path(__file__).parent


@cache
def _page(name: str) -> tuple[str, dict[str, str]]:
    """The page, and a policy by which a browser runs nothing but what stands in it, and asks nobody but us."""
    content = (HERE / name).read_text("utf-8")

    def hashes(tag: str) -> str:
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", content, re.DOTALL)
        return " ".join(f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" for each in inside)

    policy = (
        f"default-src 'none'; connect-src 'self'; style-src {hashes('style')}; script-src {hashes('script')}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return content, {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}


def _shown(name: str) -> Response:
    content, headers = _page(name)
    return HTMLResponse(content, headers=headers)


async def home(_: Request) -> Response:
    """Who is signed in, out again, and what there is. The page asks: on the way from a provider no session is shown."""
    return _shown("home.html")


async def reset(_: Request) -> Response:
    """Where somebody with a link sets a new password."""
    return _shown("reset.html")


def routes() -> list[Route]:
    """What people see in a browser, beside the interface for programs."""
    return [Route("/", home), Route("/reset", reset)]
