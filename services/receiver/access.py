"""Who may connect, and who may call whom."""

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple


class Rejection(NamedTuple):
    """A-ASSOCIATE-RJ (PS3.8 Table 9-21): result, source, reason; `why` for the metric."""

    result: int
    source: int
    reason: int
    why: str


CALLING = Rejection(1, 1, 3, "calling_aet")
CALLED = Rejection(1, 1, 7, "called_aet")
MALFORMED = Rejection(1, 1, 1, "malformed")
SWITCHED_OFF = Rejection(2, 3, 1, "switched_off")
"""Rejected-transient, temporary congestion: the sender is to try again later."""


def may_connect(address: str, networks: Collection[IPv4Network | IPv6Network]) -> bool:
    """Whether an address lies in one of the networks; IPv4 in IPv6's clothes counts as IPv4."""
    if not networks:
        return True
    ip = ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in network for network in networks if network.version == ip.version)


def judge_titles(
    calling: str, called: str, may_call: Collection[str], ours: Collection[str], require_ours: bool
) -> Rejection | None:
    """Why an association is rejected by its titles; None: it is not."""
    if may_call and calling.strip() not in may_call:
        return CALLING
    if require_ours and called.strip() not in ours:
        return CALLED
    return None
