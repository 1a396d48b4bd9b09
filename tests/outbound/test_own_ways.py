"""A backend's own proxy and its own authorities: columns of its row, obeyed by requests, tests, explain and doctor."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pointsman.practice import ScriptedUpstream
from pointsman.providers.proxies import Proxies, parse_setting
from pointsman.providers.urls import parse_base_url
from pointsman.routing.specs import BackendSpec
from pointsman.upstream.backend import Backend
from pointsman.upstream.egress import ConnectFailed, Egress
from tests.e2e.gateway import Gateway
from tests.upstream.certificates import authority_file, server_context

from .scripted_proxy import ScriptedProxy

TARGET = parse_base_url("https://api.invalid")


@pytest.mark.parametrize(
    ("setting", "proxy"),
    [
        (None, "http://env:1"),
        ("none", None),
        ("http://own:2", "http://own:2"),
        ("socks5h://own:2", "socks5h://own:2"),
    ],
)
def test_a_backends_own_word_goes_before_the_environment(setting: str | None, proxy: str | None) -> None:
    said = Proxies.from_environment({"HTTPS_PROXY": "http://env:1"})
    found = said.of(TARGET, setting)
    assert (None if found is None else found.text) == proxy
    past = Proxies.from_environment({"HTTPS_PROXY": "http://env:1", "NO_PROXY": "*"})
    assert past.of(TARGET, None) is None
    own = past.of(TARGET, "http://own:2")
    assert own is not None
    assert own.text == "http://own:2"
    assert past.of(parse_base_url("https://127.0.0.1:1"), "http://own:2") is None


def test_a_rows_proxy_has_its_login_from_the_environment() -> None:
    said = Proxies.from_environment({"ALL_PROXY": "http://me:secret-word@own:2"})
    same, other = said.of(TARGET, "http://own:2"), said.of(TARGET, "http://own:3")
    assert same is not None
    assert other is not None
    assert (bytes(same.login), bytes(other.login)) == (b"me:secret-word", b"")


@pytest.mark.parametrize("text", ["http://me:secret-word@p:1", "ftp://p", "http://p:1/x", "", "p p"])
def test_what_is_no_setting(text: str) -> None:
    with pytest.raises(ValueError, match="the proxy's URL") as caught:
        parse_setting(text)
    assert "secret-word" not in str(caught.value)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("own") / "data", env={"POINTSMAN_CONNECT_SECONDS": "2"}) as running:
        yield running


def ask(gateway: Gateway, backend: str) -> tuple[int, str]:
    model = gateway.fresh()
    gateway.rule(model, backend)
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    answer = gateway.fetch("POST", "/v1/chat/completions", body)
    return answer.status, answer.body.decode()


@pytest.mark.apart
def test_a_row_names_its_proxy_and_its_authority(tmp_path: Path, own: Gateway) -> None:
    tls = server_context(tmp_path, name="api.invalid")
    ca = authority_file(tmp_path)
    with ScriptedUpstream(ssl_context=tls) as server, ScriptedProxy() as proxy:
        proxy.ways["api.invalid:443"] = server.port
        url = f"http://127.0.0.1:{proxy.port}"
        words = ["--base-url", "https://api.invalid", "--proxy", url, "--ca-file", str(ca)]
        made = json.loads(own.cli("credential", "set", "openai/far", *words, "--json", stdin="sk-1"))
        assert (made["proxy"], made["ca_file"]) == (url, str(ca))
        assert ask(own, "openai/far")[0] == 200
        assert f"proxy {url}, CA {ca}" in own.cli("credential", "list")
        assert own.cli("credential", "test", "openai/far").count("ok") == 4
        own.cli("credential", "set", "openai/far", stdin="sk-2")  # the way stays with the address
        assert ask(own, "openai/far")[0] == 200
        own.cli("credential", "set", "openai/far", "--system-ca", stdin="sk-2")
        status, said = ask(own, "openai/far")
        assert status == 502
        assert "credential set openai/far --ca-file PATH" in said
        shown = own.cli(
            "local", "add", "box", "--url", "https://api.invalid", "--proxy", url, "--ca-file", str(ca)
        )
        assert f"proxy {url}" in shown
        assert ask(own, "local/box")[0] == 200
        own.cli("local", "update", "box", "--proxy", "none")
        assert own.api("GET", "/api/local/box")["proxy"] == "none"
        assert ask(own, "local/box")[0] == 502
        own.cli("local", "update", "box", "--proxy", "inherit")
        assert own.api("GET", "/api/local/box")["proxy"] is None


def test_what_a_row_cannot_hold_is_said_and_no_password_comes_back(tmp_path: Path, own: Gateway) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("hello")
    os.mkfifo(pipe := tmp_path / "pipe")  # reading it would wait for ever, and everybody with it
    body: dict[str, Any] = {"backend_type": "openai", "name": "x", "api_key": "sk-1"}
    for field, value, words in (
        ("proxy", "http://me:secret-word@p:1", "HTTPS_PROXY or ALL_PROXY"),
        ("proxy", "ftp://p", "no kind"),
        ("ca_file", "ca.pem", "whole path"),
        ("ca_file", str(tmp_path / "none.pem"), "does not exist"),
        ("ca_file", str(empty), "holds no certificate"),
        ("ca_file", str(tmp_path), "cannot be read"),
        ("ca_file", str(pipe), "no regular file"),
    ):
        answer = own.api_answer("POST", "/api/credentials", {**body, field: value})
        assert answer.status == 422, (field, value)
        assert words in answer.body.decode()
        assert "secret-word" not in answer.body.decode()


def test_a_ca_file_that_has_gone_stops_its_backend_alone(tmp_path: Path, own: Gateway) -> None:
    ca = tmp_path / "corp.pem"
    ca.write_bytes(authority_file(tmp_path).read_bytes())
    with (
        ScriptedUpstream(ssl_context=server_context(tmp_path)) as secure,
        ScriptedUpstream() as plain,
    ):
        url = f"https://localhost:{secure.port}"
        backend = own.backend("local", url, ca_file=str(ca))
        assert ask(own, backend)[0] == 200
        good = ca.read_bytes()
        ca.write_text("broken")
        checks = {one["name"]: one for one in own.api("GET", "/api/doctor")["checks"]}
        told = checks[f"backend {backend}"]
        assert told["status"] == "error"
        assert str(ca) in told["detail"]
        assert "--ca-file" in told["fix"]
        assert ask(own, own.backend("local", plain.url))[0] == 200
        ca.write_bytes(good)
        checks = {one["name"]: one for one in own.api("GET", "/api/doctor")["checks"]}
        assert checks[f"backend {backend}"]["status"] == "ok"


def connect(url: str, ca_file: str | None) -> str:
    async def main() -> str:
        one = Backend(BackendSpec("local/x", "local", "x", url, ca_file=ca_file))
        try:
            conn = await Egress(2.0).open(one, lambda conn: None)
        except ConnectFailed as error:
            return error.public
        conn.close()
        return "ok"

    return uvloop.run(main())


def test_a_ca_file_replaces_the_systems_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = str(authority_file(tmp_path))
    alone = tmp_path / "localhost-False-False.pem"
    with (
        ScriptedUpstream(ssl_context=server_context(tmp_path)) as signed,
        ScriptedUpstream(ssl_context=server_context(tmp_path, signed=False)) as itself,
    ):
        good, self_signed = (f"https://localhost:{one.port}" for one in (signed, itself))
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        assert "pointsman local update x --ca-file PATH" in connect(good, None)
        assert connect(good, ca) == "ok"
        monkeypatch.setenv("SSL_CERT_FILE", ca)
        assert connect(good, None) == "ok"
        assert connect(self_signed, str(alone)) == "ok"
        assert "its certificate was refused" in connect(good, str(alone))
        assert "localhost: its certificate was refused" in connect(self_signed, ca)
        gone = tmp_path / "gone.pem"
        gone.write_text("hello")
        assert f"the CA file {gone} holds no certificate" in connect(good, str(gone))
        gone.unlink()
        assert f"the CA file {gone} does not exist" in connect(good, str(gone))
        missing = str(tmp_path / "none.pem")
        monkeypatch.setenv("SSL_CERT_FILE", missing)
        assert f"SSL_CERT_FILE, {missing}, does not exist" in connect(good, None)
        assert connect(good, ca) == "ok"


def test_ssl_cert_dir_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    ca = authority_file(folder)
    found = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(ca)], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("NO openssl program here: the name of a file in SSL_CERT_DIR is not made without it")
    ca.rename(folder / f"{found.stdout.strip()}.0")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    with ScriptedUpstream(ssl_context=server_context(tmp_path)) as server:
        assert connect(f"https://localhost:{server.port}", None) == "ok"
