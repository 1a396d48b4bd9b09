"""What the environment says of proxies, by pure tables; and a gateway that is started with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.practice import ScriptedUpstream
from pointsman.providers.proxies import Proxies, parse_no_proxy, parse_proxy
from pointsman.providers.urls import parse_base_url
from tests.e2e.gateway import Gateway, run_cli
from tests.upstream.certificates import authority_file, server_context

from .scripted_proxy import ScriptedProxy


def way(environ: dict[str, str], url: str) -> str | None:
    found = Proxies.from_environment(environ).of(parse_base_url(url), None)
    return None if found is None else found.text


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "https://a.example", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://a.example", None),
        ({"HTTP_PROXY": "http://p:1"}, "https://a.example", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://a.example", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http://a.example", None),
        ({"http_proxy": "http://p:1", "HTTP_PROXY": "http://q:1"}, "http://a.example", "http://p:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://q:1"}, "https://a.example", "http://q:1"),
        ({"ALL_PROXY": "q:1"}, "https://a.example", "http://q:1"),
        ({"all_proxy": "q:1", "HTTPS_PROXY": "p"}, "https://a.example", "http://p:80"),
        ({"https_proxy": " https://p/ "}, "https://a.example", "https://p:443"),
        ({"https_proxy": "socks://p"}, "https://a.example", "socks5h://p:1080"),
        ({"https_proxy": "SOCKS5://[2001:db8::1]:9"}, "https://a.example", "socks5://[2001:db8::1]:9"),
        ({"https_proxy": "p:1"}, "https://localhost:8443", None),
        ({"https_proxy": "p:1"}, "https://box.localhost", None),
        ({"all_proxy": "p:1"}, "http://[::1]:80", None),
        ({"all_proxy": "p:1"}, "http://10.0.0.1", "http://p:1"),
        ({"HTTPS_PROXY": "  ", "NO_PROXY": "10.0.0.0/99"}, "https://a.example", None),
    ],
)  # fmt: skip
def test_which_variable_counts(environ: dict[str, str], url: str, proxy: str | None) -> None:
    assert way(environ, url) == proxy


@pytest.mark.parametrize(
    ("listed", "url", "past"),
    [
        ("example.com", "https://example.com", True),
        ("example.com", "https://api.example.com", True),
        ("example.com", "https://notexample.com", False),
        (".example.com", "https://api.example.com", True),
        (".example.com", "https://example.com", True),
        ("Example.COM.", "https://a.example.com", True),
        ("*.example.com", "https://api.example.com", True),
        ("*.example.com", "https://example.com", False),
        ("*", "https://anything.example", True),
        ("a.example *", "https://b.example", True),
        ("example.com:8443", "https://example.com:8443", True),
        ("example.com:8443", "https://example.com", False),
        ("example.com:443", "https://example.com", True),
        ("10.0.0.0/8", "https://10.200.3.4", True),
        ("10.0.0.0/8", "https://11.0.0.1", False),
        ("10.0.0.0/8", "https://ten.example", False),
        ("10.1.2.3", "https://10.1.2.3:8443", True),
        ("10.1.2.3:443", "https://10.1.2.3:8443", False),
        ("10.1.2.3", "https://10.1.2.33", False),
        ("2001:db8::/32", "https://[2001:db8::5]", True),
        ("2001:db8::5", "https://[2001:db8::5]:1", True),
        ("[2001:db8::5]:1", "https://[2001:db8::5]:1", True),
        ("[2001:db8::5]:1", "https://[2001:db8::5]:2", False),
        ("192.168.*", "https://192.168.7.7", True),
        ("169.254/16, 172.16/12", "https://172.20.0.1", True),
        ("<local>", "https://box", True),
        ("<local>", "https://box.example", False),
        ("a.example, ,b.example", "https://b.example", True),
        ("bücher.example", "https://xn--bcher-kva.example", True),
    ],
)  # fmt: skip
def test_what_no_proxy_lists(listed: str, url: str, past: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        assert (way({"ALL_PROXY": "p:1", name: listed}, url) is None) is past


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "http://me:secret-word@p:99999"),
        ("https_proxy", "http://me:secret-word@"),
        ("ALL_PROXY", "ftp://me:secret-word@p"),
        ("all_proxy", "socks4://me:secret-word@p"),
        ("HTTP_PROXY", "http://me:secret/word@p:3128"),
        ("HTTPS_PROXY", "http://me:secret-word@p:1/proxy.pac"),
        ("HTTPS_PROXY", "http://me:secret word@p:1"),
        ("HTTPS_PROXY", "http://a%3Ab:secret-word@p:1"),
        ("HTTPS_PROXY", f"http://me:secret-word{'x' * 300}@p:1"),
        ("HTTPS_PROXY", "http://me:secret-word@p:12:13"),
        ("HTTPS_PROXY", "http://me:secret-word%0d%0a@p:1"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_read_is_named_and_never_shown(name: str, value: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        Proxies.from_environment({name: value})
    assert caught.value.public.startswith(f"{name} ")
    assert "secret" not in repr(caught.value) + caught.value.public
    assert "\n" not in caught.value.public


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "host:port", "http://a.example", "host:70000", "1.2.3.4.5"])
def test_an_entry_of_no_proxy_that_means_nothing_is_named(entry: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        Proxies.from_environment({"ALL_PROXY": "p:1", "no_proxy": f"good.example,{entry}"})
    assert caught.value.public.startswith("no_proxy holds ")


def test_a_proxys_password_is_in_none_of_its_texts() -> None:
    proxy = parse_proxy("http://me:secret-word@p:1", "HTTPS_PROXY")
    assert "secret-word" not in f"{proxy} {proxy!r} {proxy.text} {proxy.login} {proxy.login!r}"
    assert bytes(proxy.login) == b"me:secret-word"


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_proxy, parse_no_proxy):
        try:
            found = read(text)
        except ValueError:
            continue
        if isinstance(found, tuple):
            assert {one("a.example", 443) for one in found} <= {True, False}
        else:
            assert parse_proxy(found.text).text == found.text


def test_a_password_whose_bytes_are_no_utf_8_goes_as_it_is() -> None:
    """As os.environ holds it."""
    found = Proxies.from_environment(
        {"HTTPS_PROXY": b"http://me:p\xe4ss%40@p".decode("utf-8", "surrogateescape")}
    )
    assert bytes(found.for_scheme["https"].login) == b"me:p\xe4ss@"


# -- a gateway


@pytest.mark.parametrize(
    ("name", "value"), [("HTTPS_PROXY", "http://me:secret-word@p:port"), ("no_proxy", "10.0.0.0/40")]
)
def test_serve_says_in_one_line_which_variable_is_wrong(tmp_path: Path, name: str, value: str) -> None:
    env = {"ALL_PROXY": "http://127.0.0.1:9", name: value}
    done = run_cli(tmp_path / "data", "serve", "--port", "0", env=env)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {name} ")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.apart
def test_a_gateway_behind_a_proxy(tmp_path: Path, own_gateway: Callable[..., Gateway]) -> None:
    """Requests, tests of backends, explain and doctor go the same way; when the proxy refuses, the next target answers."""
    tls = server_context(tmp_path, name="api.invalid")
    with ScriptedUpstream(ssl_context=tls) as cloud, ScriptedUpstream() as box, ScriptedProxy() as proxy:
        proxy.ways["api.invalid:443"] = cloud.port
        shown = f"http://127.0.0.1:{proxy.port}"
        env = {
            "HTTPS_PROXY": shown.replace("//", "//me:secret-word@"),
            "SSL_CERT_FILE": str(authority_file(tmp_path)),
        }
        gateway = own_gateway(env=env)
        kind, name = gateway.backend("openai", "https://api.invalid").split("/")
        model = gateway.fresh()
        gateway.rule(model, f"{kind}/{name}", gateway.backend("local", box.url))
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        answer = gateway.fetch("POST", "/v1/chat/completions", body)
        assert (answer.status, answer.header("x-pointsman-target")) == (200, f"openai/{name}:{model}")
        tested = gateway.api("POST", f"/api/credentials/{kind}/{name}/test")
        assert [step["name"] for step in tested["steps"]] == ["proxy", "tls", "auth", "models"]
        assert shown in tested["steps"][0]["detail"]
        explained = gateway.api("GET", f"/api/explain?model={model}")
        assert [one["proxy"] for one in explained["targets"]] == [shown, None]
        assert f"through the proxy {shown}" in gateway.cli("explain", model)
        checks = {one["name"]: one for one in gateway.api("GET", "/api/doctor")["checks"]}
        assert f"https:// goes through the proxy {shown} (HTTPS_PROXY)" in checks["proxies"]["detail"]
        assert shown in checks[f"backend openai/{name}"]["detail"]
        assert set(proxy.targets) == {"api.invalid:443"}
        assert len(proxy.logins) == len(proxy.heads)

        alone = gateway.fresh()
        gateway.rule(alone, gateway.backend("openai", "https://other.invalid"))
        told = gateway.fetch("POST", "/v1/chat/completions", {**body, "model": alone})
        assert told.status == 502
        assert f"the proxy {shown} (HTTPS_PROXY) could not reach other.invalid:443" in told.body.decode()

        fix = {one["name"]: one for one in gateway.api("GET", "/api/doctor")["checks"]}
        named = next(one for name, one in fix.items() if "other.invalid" in one["detail"])
        assert named["fix"].endswith("--proxy none")

        proxy.answer = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n"
        lost = gateway.fresh()
        gateway.rule(
            lost, gateway.backend("openai", "https://new.invalid"), gateway.backend("local", box.url)
        )
        answer = gateway.fetch("POST", "/v1/chat/completions", {**body, "model": lost})
        assert (answer.status, answer.header("x-pointsman-fallback")) == (200, "connect")
        assert str(answer.header("x-pointsman-target")).startswith("local/")
        walled = gateway.fresh()
        gateway.rule(walled, gateway.backend("local", "https://box.invalid"), local_only=True)
        before = len(proxy.heads)
        assert gateway.fetch("POST", "/v1/chat/completions", {**body, "model": walled}).status >= 400
        assert len(proxy.heads) == before
        everything = gateway.read_log() + json.dumps(gateway.api("GET", "/api/usage")) + told.body.decode()
        assert "secret-word" not in everything
