"""From where a request comes: the peer, or, behind a proxy that is named in the settings, what that proxy says."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.requests import Request

Networks = Collection[IPv4Network | IPv6Network]
FORWARDED = ("x-forwarded-for", "forwarded", "via", "x-real-ip")
"""By which a proxy gives itself away, whether it is named or not."""


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address; IPv4 in IPv6's clothes counts as IPv4."""
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def within(address: IPv4Address | IPv6Address | None, networks: Networks) -> bool:
    """Whether an address lies in one of the networks."""
    return address is not None and any(address in each for each in networks if each.version == address.version)


def caller(request: Request, proxies: Networks) -> IPv4Address | IPv6Address | None:
    """Who asked first, as far as it can be known: X-Forwarded-For is read from its end, past our own proxies."""
    address = parsed(request.client.host) if request.client else None
    if not within(address, proxies):
        return address
    said = [part for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]
    for part in reversed(said):
        address = parsed(part)
        if not within(address, proxies):
            return address
    return address


def let_in(request: Request, networks: Networks, proxies: Networks) -> bool:
    """Whether the caller's network lets it in; never through a proxy that nobody has named."""
    peer = parsed(request.client.host) if request.client else None
    if not within(peer, proxies) and any(name in request.headers for name in FORWARDED):
        return False
    return within(caller(request, proxies), networks)


def neighbourhood(address: IPv4Address | IPv6Address | None) -> str:
    """What counts as one when sign-ins are counted: whoever has an IPv6 address has 2^64 of them."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)
