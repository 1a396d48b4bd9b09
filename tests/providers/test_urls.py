"""Base URLs: every spelling here is stored in one form, or refused with words that help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.kinds import BackendType
from pointsman.providers.urls import BaseUrl, address_problem, check_base_url, is_loopback, parse_base_url

LOCAL, OPENAI, ANTHROPIC = BackendType.LOCAL, BackendType.OPENAI, BackendType.ANTHROPIC


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/v1/v1//", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/v1/chat/completions", "http://127.0.0.1:8080"),
        ("https://gw.example/a/responses/", "https://gw.example/a"),
        ("https://gw.example/a/v1/v1", "https://gw.example/a/v1"),
        (
            "https://gw.example/a?api-version=2024-10-21&x=y",
            "https://gw.example/a?api-version=2024-10-21&x=y",
        ),
        ("HTTP://LocalHost:11434/v1", "http://localhost:11434"),
        ("https://api.openai.com", "https://api.openai.com"),
        ("https://API.OpenAI.com:443/v1", "https://api.openai.com"),
        ("http://box:80", "http://box"),
        ("http://box:443", "http://box:443"),
        ("https://box.local.", "https://box.local"),
        ("https://x.openai.azure.com/openai/v1", "https://x.openai.azure.com/openai/v1"),
        ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1"),
        ("https://gw.example/a/b/", "https://gw.example/a/b"),
        ("https://gw.example/V1", "https://gw.example/V1"),
        ("https://gw.example/a%20b", "https://gw.example/a%20b"),
        ("https://gw.example/v1beta", "https://gw.example/v1beta"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[::ffff:127.0.0.1]:1", "http://127.0.0.1:1"),
        ("http://[::FFFF:7F00:1]", "http://127.0.0.1"),
        ("https://[2606:4700::1111]", "https://[2606:4700::1111]"),
        ("http://127.1", "http://127.0.0.1"),
        ("http://127.0.1", "http://127.0.0.1"),
        ("http://2130706433", "http://127.0.0.1"),
        ("http://0x7f000001", "http://127.0.0.1"),
        ("http://0X7F.0.0.1", "http://127.0.0.1"),
        ("http://017700000001", "http://127.0.0.1"),
        ("http://0177.0.0.1:81", "http://127.0.0.1:81"),
        ("http://127.0.0.1.", "http://127.0.0.1"),
        ("http://0xA9FEA9FE", "http://169.254.169.254"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://my_box:1", "http://my_box:1"),
    ],
)
def test_one_normal_form(text: str, normal: str) -> None:
    url = parse_base_url(text)
    assert url.text == normal
    assert parse_base_url(url.text) == url, "the stored form is parsed again"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("127.0.0.1:8080", "http://"),
        ("localhost", "http://"),
        ("ftp://127.0.0.1", "http://"),
        ("file:///etc/passwd", "http://"),
        ("unix://run/x.sock", "unix:///"),
        ("javascript:alert(1)", "http://"),
        ("http:/127.0.0.1", "http://"),
        ("http:127.0.0.1", "http://"),
        ("//127.0.0.1", "http://"),
        ("http://", "no host"),
        ("http://:8080", "no host"),
        ("http:///v1", "no host"),
        ("http://.", "no host"),
        ("http://user@127.0.0.1", "user name"),
        ("http://user:pw@127.0.0.1", "user name"),
        ("https://api.openai.com@evil.example", "user name"),
        ("http://127.0.0.1?", "query"),
        ("http://127.0.0.1?x=a b", "spaces"),
        ("http://127.0.0.1?x=[", "query"),
        ("http://127.0.0.1?key=sk-1", "as the API key"),
        ("http://127.0.0.1/a?v=1&Api_Key=sk-1", "as the API key"),
        ("http://127.0.0.1/a?access_token=x", "as the API key"),
        ("http://127.0.0.1/#x", "fragment"),
        ("https://evil.example#@api.openai.com", "fragment"),
        ("http://evil.example\\@127.0.0.1", "backslash"),
        ("http://127.0.0.1\\v1", "backslash"),
        (" http://127.0.0.1", "spaces"),
        ("http://127.0.0.1 ", "spaces"),
        ("http://127.0.0.1/a b", "spaces"),
        ("http://127.0.0.1\r\nhost: x", "spaces"),
        ("ht\ttp://127.0.0.1", "spaces"),
        ("http://127.0.0.1/\x00", "spaces"),
        ("http://127.0.0.1\u00a0", "spaces"),
        ("http://127.0.0.1:0", "port"),
        ("http://127.0.0.1:65536", "port"),
        ("http://127.0.0.1:", "port"),
        ("http://127.0.0.1:80a", "port"),
        ("http://127.0.0.1:-1", "port"),
        ("http://127.0.0.1:８０", "port"),
        ("http://::1:8080", "more than one ':'"),
        ("http://[::1", "not closed"),
        ("http://[::1]8080", "not closed"),
        ("http://[::1]]", "not closed"),
        ("http://[127.0.0.1]", "IPv6"),
        ("http://[::g]", "IPv6"),
        ("http://[fe80::1%eth0]", "zone"),
        ("http://[fe80::1%25eth0]", "zone"),
        ("http://1.2.3.4.5", "IPv4"),
        ("http://256.0.0.1", "IPv4"),
        ("http://0400.0.0.1", "IPv4"),
        ("http://4294967296", "IPv4"),
        ("http://1..2", "IPv4"),
        ("http://08.0.0.1", "IPv4"),
        ("http://example.0x7f", "IPv4"),
        ("http://a..b", "host name"),
        ("http://-a.example", "host name"),
        ("http://a%2eb", "host name"),
        ("http://a,b", "host name"),
        ("http://ｌocalhost", "xn--"),
        ("http://bücher.example", "xn--"),
        ("http://" + "a" * 64 + ".example", "host name"),
        ("https://x.example/../admin", "'..'"),
        ("https://x.example/%2e%2E/admin", "'..'"),
        ("https://x.example/./a", "'.'"),
        ("https://x.example//a", "'//'"),
        ("https://x.example/a%zz", "percent-encoded"),
        ("https://x.example/ä", "percent-encoded"),
        ("https://x.example/" + "a" * 3000, "longer"),
    ],
)
def test_refused_with_words_that_help(text: str, word: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        parse_base_url(text)
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (LOCAL, "http://127.0.0.1:1"), (OPENAI, "http://127.0.0.1:1"), (ANTHROPIC, "http://[::1]:1"),
        (OPENAI, "http://localhost:1"), (ANTHROPIC, "http://gw.localhost"), (LOCAL, "http://192.168.1.5"),
        (LOCAL, "http://10.1.2.3"), (LOCAL, "http://100.99.1.2"), (LOCAL, "http://[fd12::1]"),
        (LOCAL, "http://mac-studio.local:8080"), (LOCAL, "http://gpu"), (LOCAL, "https://gpu.example"),
        (OPENAI, "https://api.openai.com"), (OPENAI, "https://10.0.0.1"), (ANTHROPIC, "https://8.8.8.8"),
    ],
)  # fmt: skip
def test_allowed_without_more(kind: BackendType, url: str) -> None:
    check_base_url(kind, parse_base_url(url), allow_http=False)


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (OPENAI, "http://192.168.1.5"), (OPENAI, "http://gw.example"), (ANTHROPIC, "http://box.local"),
        (LOCAL, "http://8.8.8.8"), (LOCAL, "http://0x08080808"), (LOCAL, "http://[2606:4700::1111]"),
        (LOCAL, "http://192.0.2.1"), (LOCAL, "http://[64:ff9b::7f00:1]"), (OPENAI, "http://100.99.1.2"),
    ],
)  # fmt: skip
def test_plain_http_elsewhere_needs_allow_http(kind: BackendType, url: str) -> None:
    parsed = parse_base_url(url)
    with pytest.raises(ValueError, match="allow_http"):
        check_base_url(kind, parsed, allow_http=False)
    check_base_url(kind, parsed, allow_http=True)


@pytest.mark.parametrize("kind", list(BackendType))
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "0xA9FEA9FE", "2852039166", "0251.0376.0251.0376", "169.254.43518",
     "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[fd00:ec2::254]",
     "100.100.100.200", "metadata.google.internal", "METADATA.google.internal.", "metadata.goog",
     "instance-data", "[fe80::1]", "0.0.0.0", "0", "[::]", "224.0.0.1", "[ff02::1]", "255.255.255.255"],
)  # fmt: skip
def test_never_not_even_when_allowed(kind: BackendType, scheme: str, host: str) -> None:
    with pytest.raises(ValueError, match="nothing is ever sent there"):
        check_base_url(kind, parse_base_url(f"{scheme}://{host}"), allow_http=True)


@pytest.mark.parametrize(
    ("kind", "scheme", "ip", "allow_http", "fine"),
    [
        (OPENAI, "http", "127.0.0.1", False, True),
        (OPENAI, "http", "::ffff:127.0.0.1", False, True),
        (LOCAL, "http", "192.168.1.2", False, True),
        (LOCAL, "http", "203.0.113.7", False, False),  # a name that was rebound to a public address
        (LOCAL, "http", "203.0.113.7", True, True),
        (OPENAI, "http", "192.168.1.2", False, False),
        (OPENAI, "https", "192.168.1.2", False, True),
        (OPENAI, "https", "169.254.169.254", True, False),
        (LOCAL, "http", "fe80::1%eth0", True, False),
        (LOCAL, "http", "not-an-ip", True, False),
        (LOCAL, "https", "0.0.0.0", True, False),
    ],
)
def test_the_peer_is_judged_by_the_same_rules(
    kind: BackendType, scheme: str, ip: str, allow_http: bool, fine: bool
) -> None:
    assert (address_problem(kind, scheme, ip, allow_http) is None) is fine


@pytest.mark.parametrize(
    ("ip", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False),
     ("localhost", False), ("", False), ("0.0.0.0", False), ("64:ff9b::7f00:1", False)],
)  # fmt: skip
def test_is_loopback(ip: str, loopback: bool) -> None:
    assert is_loopback(ip) is loopback


def test_origin_names_the_port_only_where_it_says_something() -> None:
    assert BaseUrl("https", "a", 443, "/x").origin == "https://a"
    assert BaseUrl("http", "::1", 443, "").origin == "http://[::1]:443"


@given(st.text(max_size=40).map("http://{}".format) | st.text(max_size=40))
def test_any_text_is_one_stable_form_or_a_value_error(text: str) -> None:
    try:
        url = parse_base_url(text)
    except ValueError:
        return
    assert parse_base_url(url.text) == url
    assert url.host == url.host.lower()
