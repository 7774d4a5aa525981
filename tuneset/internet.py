"""Which addresses belong to the open internet: what is fetched or crawled goes to no other."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")


def public(address: str) -> bool:
    """Say whether an address is one of the open internet, whichever way it is wrapped.

    >>> [public(each) for each in ("93.184.215.14", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1%eth0")]
    [True, False, False, False, False]
    """
    try:
        inner = _unwrapped(ipaddress.ip_address(address))
    except ValueError:
        return False
    if isinstance(inner, ipaddress.IPv6Address) and (inner.is_site_local or inner in _LOCAL_NAT64):
        return False  # Python 3.11 calls both global
    return inner.is_global and not (inner.is_multicast or inner.is_reserved or inner.is_unspecified)


def _unwrapped(address: Address) -> Address:
    """Take an IPv4 address out of the IPv6 address that carries it: mapped, compatible, 6to4 or NAT64."""
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if inside is None and (address in _NAT64 or address in _COMPATIBLE):
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inside or address
    return address
