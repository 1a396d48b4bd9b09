"""wire.authority: which Host and Origin values are let in, by table."""

from __future__ import annotations

import pytest

from pointsman.errors import PointsmanError
from pointsman.wire.authority import HostRule, host_name, is_loopback_host


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a", "a"),
        ("A:1", "a"),
        ("A.b_c-d:80", "a.b_c-d"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::1]:80", "::1"),
        ("[FE80::A]:1", "fe80::a"),
        ("localhost.", "localhost"),
        ("localhost.:80", "localhost"),
        ("localhost..", "localhost."),
        ("localhost:abc", None),
        ("localhost:", None),
        ("localhost:999999", None),
        ("localhost:-1", None),
        ("localhost:4000/#@x", None),
        ("", None),
        (".", None),
        ("a b", None),
        ("a,b", None),
        ("a\nb", None),
        ("a\n", None),
        ("[::1", None),
        ("::1", None),
        ("user@localhost", None),
        ("loc\u212alhost", None),  # the Kelvin sign is a small k when lowered
        ("b\u00fccher", None),
    ],
)
def test_the_name_of_a_host_header(host: str, name: str | None) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("LocalHost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("box.lan", False),
    ],
)
def test_which_bind_addresses_mean_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback_host(host) is own


def status(rule: HostRule, host: str) -> int:
    try:
        rule.refuse_host(host)
    except PointsmanError as error:
        assert "--allow-host" in error.public
        return error.status
    return 200


@pytest.mark.parametrize(
    ("bind", "host", "answer"),
    [
        ("127.0.0.1", "localhost.", 200),
        ("127.0.0.1", "box.localhost.:1", 200),
        ("127.0.0.1", "127.0.0.2", 403),
        ("127.0.0.1", "localhost..", 403),
        ("127.0.0.1", "localhost:abc", 400),
        ("127.0.0.1", "", 400),
        ("127.0.0.1", "box.lan:4480", 200),
        ("127.0.0.1", "[fd00::1]:9", 200),
        ("127.0.0.1", "[fd00::2]", 200),
        ("127.0.0.1", "[fd00::3]", 403),
        ("127.0.0.1", "2130706433", 403),
        ("127.0.0.2", "127.0.0.2", 200),
        ("127.0.0.2", "192.168.1.9", 403),
        ("::1", "[::1]", 200),
        ("0.0.0.0", "192.168.1.9:4480", 200),
        ("0.0.0.0", "[fe80::1]", 200),
        ("0.0.0.0", "evil.example", 403),
        ("0.0.0.0", "2130706433", 403),
        ("0.0.0.0", "0x7f.1", 403),
        ("0.0.0.0", "box.lan.evil.example", 403),
        ("0.0.0.0", "box.lan:99999999", 400),
        ("other.lan", "OTHER.lan.:1", 200),
    ],
)
def test_hosts(bind: str, host: str, answer: int) -> None:
    assert status(HostRule(bind, ("box.lan:4480", "[fd00::1]", "fd00::2")), host) == answer


@pytest.mark.parametrize(
    ("method", "origin", "site", "good"),
    [
        ("POST", None, None, True),
        ("POST", "http://localhost:1", None, True),
        ("POST", "https://LOCALHOST:1", "same-origin", True),
        ("POST", "https://LOCALHOST:1", "cross-site", False),
        ("DELETE", "http://localhost:1", "Cross-Site", False),
        ("PUT", "http://localhost:1", "same-site", False),
        ("POST", "http://localhost:1", "anything new", False),
        ("GET", "http://localhost:1", "cross-site", True),
        ("POST", "http://localhost", None, False),
        ("GET", "http://localhost", None, False),
        ("GET", "null", "none", False),
        ("POST", "https://app.example", "cross-site", True),
        ("POST", "https://app.example.evil", None, False),
        ("POST", None, "same-origin", True),
        ("POST", None, "None", True),
        ("POST", None, "same-site", False),
        ("POST", None, "cross-site", False),
        ("DELETE", None, "cross-site", False),
        ("GET", None, "cross-site", True),
    ],
)
def test_origins(method: str, origin: str | None, site: str | None, good: bool) -> None:
    rule = HostRule("127.0.0.1", (), ("https://app.example/",))
    if good:
        rule.refuse_origin(method, "localhost:1", origin, site)
        return
    with pytest.raises(PointsmanError, match="--allow-origin") as caught:
        rule.refuse_origin(method, "localhost:1", origin, site)
    assert caught.value.status == 403
