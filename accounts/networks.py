"""IP addresses and the CIDR ranges of allow-lists, IPv4 and IPv6."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
MAPPED = IPv6Network("::ffff:0:0/96")


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address of a client, or None for what is no address (a UNIX socket's peer has none).

    A dual-stack socket reports IPv4 clients as ::ffff:192.0.2.1 (RFC 4291, 2.5.5.2): they become plain IPv4.
    """
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_network(text: str) -> Network:
    """The range written as CIDR or as a single address. Raises `ValueError` with a sentence for who typed it."""
    text = text.strip()
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"“{text}” is no IP address or CIDR range (192.0.2.0/24, 2001:db8::/32).") from None
    # `strict=False` would silently widen 10.0.0.5/8 to all of 10.0.0.0/8: an allow-list must say what it means.
    written = ip_address(text.partition("/")[0])
    if written != network.network_address:
        raise ValueError(
            f"“{text}” is an address inside a range: write {network} for the range, or {written} for it alone."
        )
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        inner = network.network_address.ipv4_mapped
        return IPv4Network(f"{inner}/{network.prefixlen - 96}")
    return network
