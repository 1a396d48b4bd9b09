"""Kinds of addresses, IPv4 inside IPv6 included."""

from __future__ import annotations

import pytest

from pointsman.providers.addresses import denied, is_loopback_address, is_private_address, parse_ip


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16",
        "192.0.0.192", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "fd00:ec2::254", "fd00:ec2::23",
        "fd20:ce::254", "ff02::1", "::ffff:169.254.169.254", "::ffff:0.0.0.0",
        "2002:a9fe:a9fe::1",  # 6to4
        "64:ff9b::169.254.169.254",  # NAT64
        "64:ff9b:1::a9fe:a9fe",  # NAT64 under a local prefix, /96
        "64:ff9b:1:a9fe:a9:fe00::",  # the same under /48
        "::169.254.169.254",  # v4-compatible
        "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo, client 169.254.169.254
        "2001:db8::5efe:169.254.169.254",  # ISATAP
        "2001:db8::200:5efe:a9fe:a9fe",  # ISATAP, the global bit set
    ],
)  # fmt: skip
def test_never(ip: str) -> None:
    assert denied(parse_ip(ip)) is not None


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "172.31.0.1", "100.64.0.1", "8.8.8.8", "1.1.1.1",
     "fd12:3456::1", "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::1", "169.253.1.1", "223.255.255.255"],
)  # fmt: skip
def test_not_denied(ip: str) -> None:
    assert denied(parse_ip(ip)) is None


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"])
def test_loopback(ip: str) -> None:
    assert is_loopback_address(parse_ip(ip))
    assert not is_private_address(parse_ip(ip))


@pytest.mark.parametrize("ip", ["64:ff9b::7f00:1", "2002:7f00:1::", "::2", "128.0.0.1", "126.255.255.255"])
def test_not_loopback(ip: str) -> None:
    assert not is_loopback_address(parse_ip(ip))


@pytest.mark.parametrize(
    ("ip", "private"),
    [("10.255.0.1", True), ("172.16.0.1", True), ("172.32.0.1", False), ("192.168.0.9", True),
     ("192.169.0.1", False), ("100.64.0.1", True), ("100.128.0.1", False), ("fd00::1", True),
     ("fc00::1", True), ("fe00::1", False), ("::ffff:10.0.0.1", True), ("192.0.2.1", False)],
)  # fmt: skip
def test_private(ip: str, private: bool) -> None:
    assert is_private_address(parse_ip(ip)) is private


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.0.0.1", "1.2.3.4.5", "[::1]", "017.0.0.1"])
def test_only_what_a_socket_reports_is_an_address(text: str) -> None:
    with pytest.raises(ValueError):
        parse_ip(text)
