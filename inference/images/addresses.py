"""Which addresses are of the public internet, so that nobody reaches our own network through us."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# IANA's special-purpose registry, whatever is not globally reachable, and what looks public and is not.
CLOSED_V4 = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; a cloud's metadata, too
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform services, among public ones
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata, too
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# All else (loopback, unique local, link-local, multicast, IPv4-compatible, NAT64 for local use …) lies outside of it.
GLOBAL_UNICAST = ip_network("2000::/3")
CLOSED_V6 = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which leads to any IPv4 address
        "3fff::/20",  # documentation
    )
)
# What a resolver on a network without IPv4 makes of IPv4 addresses (RFC 6052).
NAT64 = ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address, as `getaddrinfo` gives it, belongs to the public internet."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        inner = _embedded(found)
        if inner is None:
            # One with a zone is of this machine's own links.
            usable = found.scope_id is None and found in GLOBAL_UNICAST
            return usable and not any(found in network for network in CLOSED_V6)
        found = inner
    return not any(found in network for network in CLOSED_V4)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to `address` end up at."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
