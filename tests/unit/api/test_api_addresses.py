"""From where a request comes, and whom a network lets in."""

from ipaddress import ip_network

import pytest
from starlette.requests import Request

from services.api.people.addresses import caller, let_in, neighbourhood, parsed

PROXY = (ip_network("10.0.0.0/24"),)
INSIDE = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))


def request(peer: str, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "client": (peer, 1), "headers": raw, "method": "GET", "path": "/"})


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("::ffff:192.0.2.7", "", "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "127.0.0.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "None"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_a_proxy_is_believed_only_when_it_is_named(peer: str, forwarded: str, found: str) -> None:
    asked = request(peer, x_forwarded_for=forwarded) if forwarded else request(peer)
    assert str(caller(asked, PROXY)) == found


def test_a_network_lets_in_but_not_through_a_proxy_that_nobody_named() -> None:
    assert let_in(request("192.0.2.7"), INSIDE, ())
    assert let_in(request("2001:db8::1"), INSIDE, ())
    assert not let_in(request("198.51.100.1"), INSIDE, ())
    assert not let_in(request("192.0.2.7"), (), ())
    for header in ("x_forwarded_for", "via", "forwarded", "x_real_ip"):
        assert not let_in(request("192.0.2.7", **{header: "192.0.2.7"}), INSIDE, PROXY)
    assert let_in(request("10.0.0.1", x_forwarded_for="192.0.2.7", via="1.1 proxy"), INSIDE, PROXY)
    assert not let_in(request("10.0.0.1", x_forwarded_for="198.51.100.1"), INSIDE, PROXY)


def test_one_host_has_many_addresses_of_ipv6() -> None:
    assert neighbourhood(parsed("2001:db8::1")) == neighbourhood(parsed("2001:db8::ffff:1"))
    assert neighbourhood(parsed("192.0.2.1")) != neighbourhood(parsed("192.0.2.2"))
