"""What kind of address is this: denied, loopback, private or public. Pure; stdlib only.

Not here: names and URLs (urls.py), and any look-up.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_DENIED_4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(net), why)
    for net, why in (
        ("0.0.0.0/8", "not an address of one machine"),
        ("169.254.0.0/16", "a link-local or cloud metadata address"),
        ("100.100.100.200/32", "a cloud metadata address"),  # Alibaba
        ("168.63.129.16/32", "a cloud metadata address"),  # Azure
        ("192.0.0.192/32", "a cloud metadata address"),  # Oracle
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved or broadcast address"),
    )
)
_DENIED_6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(net), why)
    for net, why in (
        ("::/128", "not an address of one machine"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a link-local address"),  # site-local, withdrawn by RFC 3879
        ("fd00:ec2::/32", "a cloud metadata address"),  # AWS keeps its link services here
        ("fd20:ce::254/128", "a cloud metadata address"),  # Google
        ("ff00::/8", "a multicast address"),
    )
)
# 100.64/10 is shared space (RFC 6598): Tailscale and other overlays give it to one's own machines.
_PRIVATE_4 = tuple(
    IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
_PRIVATE_6 = IPv6Network("fc00::/7")
_LOOPBACK_4 = IPv4Network("127.0.0.0/8")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_V4_COMPATIBLE = IPv6Network("::/96")


def parse_ip(text: str) -> Address:
    """An address as a socket reports it (`fe80::1%eth0` too). A v4-mapped one comes back as the v4 it is."""
    bare = text.partition("%")[0]
    if ":" not in bare:
        return IPv4Address(bare)
    return unmapped(IPv6Address(bare))


def unmapped(ip: Address) -> Address:
    """`::ffff:127.0.0.1` and `127.0.0.1` are one peer."""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def is_loopback_address(ip: Address) -> bool:
    """Can only this computer be behind it?"""
    ip = unmapped(ip)
    return ip in _LOOPBACK_4 if isinstance(ip, IPv4Address) else ip == IPv6Address("::1")


def is_private_address(ip: Address) -> bool:
    """One's own network: RFC 1918, RFC 6598, unique local."""
    ip = unmapped(ip)
    return any(ip in net for net in _PRIVATE_4) if isinstance(ip, IPv4Address) else ip in _PRIVATE_6


def denied(ip: Address) -> str | None:
    """Why nothing is ever sent there, or None. Looks into addresses that carry an IPv4 address inside."""
    for inner in (unmapped(ip), *_embedded(ip)):
        if isinstance(inner, IPv4Address):
            why = next((why for net, why in _DENIED_4 if inner in net), None)
        else:
            why = next((why for net, why in _DENIED_6 if inner in net), None)
        if why is not None:
            return why
    return None


def _embedded(ip: Address) -> list[IPv4Address]:
    """IPv4 addresses inside an IPv6 one: a translator on the way could deliver there."""
    if isinstance(ip, IPv4Address):
        return []
    found: list[IPv4Address] = []
    low = IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.sixtofour is not None:
        found.append(ip.sixtofour)
    if ip.teredo is not None:
        found.extend(ip.teredo)
    if ip in _NAT64 or (ip in _V4_COMPATIBLE and int(ip) > 0xFFFF):
        found.append(low)
    if ip in _NAT64_LOCAL:
        found.extend(_rfc6052(ip))
    if (int(ip) >> 32) & 0xFDFFFFFF == 0x5EFE:  # ISATAP, RFC 5214
        found.append(low)
    return found


def _rfc6052(ip: IPv6Address) -> list[IPv4Address]:
    """The IPv4 address under each prefix length RFC 6052 allows inside 64:ff9b:1::/48: 48, 56, 64 and 96."""
    raw = ip.packed
    positions = ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12), (12, 13, 14, 15))
    return [IPv4Address(bytes(raw[i] for i in at)) for at in positions]
