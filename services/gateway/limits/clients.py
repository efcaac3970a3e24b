"""Who a request is counted for: its key if that is good, else where it comes from."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection

from services.gateway.keys import ApiKeys, key_of

_IPV6_NETWORK = 64


def client_of(connection: HTTPConnection, keys: ApiKeys) -> str:
    """Return the name under which a client is counted.

    A bad key counts for nobody: else every guess would come with a fresh allowance.
    """
    key = key_of(connection.headers)
    name = None if key is None else keys.name_of(key)
    return name or _address_of(connection.client.host if connection.client else "")


def _address_of(host: str) -> str:
    """Return an address; of IPv6 the network that one subscriber is given.

    >>> _address_of("192.0.2.1"), _address_of("2001:db8::1:2")
    ('192.0.2.1', '2001:db8::/64')
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
