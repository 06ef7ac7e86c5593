"""Which addresses events may be sent to: public ones, and those of networks that are allowed.

An address is checked when a name was looked up, and the connection goes to what was checked. So a
name that means something else a moment later leads nowhere (DNS rebinding).
"""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HTTPS_ONLY = "http is not allowed, use https"
NOT_PUBLIC = "the address is not public"
# Only these addresses of IPv6 are those of hosts in the Internet.
GLOBAL_UNICAST = IPv6Network("2000::/3")
# Its addresses end in the IPv4 address to which a gateway leads.
NAT64 = IPv6Network("64:ff9b::/96")


class Forbidden(OSError):
    """No event is sent to this address."""


def lookup(host: str, port: int, is_secure: bool, allowed: Iterable[Network]) -> list[Any]:
    """What getaddrinfo returns for the host, if all of it is allowed. Raises Forbidden.

    Without TLS, only the allowed networks are.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in found:
        _check(str(address[0]), is_secure, allowed)
    return found


def _check(text: str, is_secure: bool, allowed: Iterable[Network]) -> None:
    # A scope, as in fe80::1%eth0, names a network of this machine.
    address = ip_address(text.partition("%")[0])
    inner = _unwrapped(address)
    if any(each in network for each in (address, inner) for network in allowed):
        return
    if not is_secure:
        raise Forbidden(HTTPS_ONLY)
    if "%" in text or not _is_public(inner):
        raise Forbidden(NOT_PUBLIC)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address to which an address of IPv6 leads, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
