"""Where an engine listens by the environment's variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.engines.registry import ENGINES

from .test_facts import row

OLLAMA_HOST = {
    "": [], ":11435": [("127.0.0.1", 11435)], "0.0.0.0": [("127.0.0.1", 11434)], "0.0.0.0:9": [("127.0.0.1", 9)],
    "11500": [("127.0.0.1", 11500)], "box:5": [("box", 5)], "box": [("box", 11434)], "http://box": [("box", 80)],
    "https://box": [("box", 443)], "http://127.0.0.1:7/": [("127.0.0.1", 7)], "[::1]:8": [("::1", 8)],
    "[::]:8": [("127.0.0.1", 8)], '"127.0.0.1:6"': [("127.0.0.1", 6)], "box:x": [], "box:99999": [], "box:0": [],
}  # fmt: skip


@pytest.mark.parametrize("said", OLLAMA_HOST)
def test_ollama_host_in_every_form(said: str) -> None:
    assert list(row("ollama").listens({"OLLAMA_HOST": said})) == OLLAMA_HOST[said]


def test_two_variables_for_llama_cpp() -> None:
    for name in ("llama_cpp", "llama_router"):
        listens = row(name).listens
        assert list(listens({})) == []
        assert list(listens({"LLAMA_ARG_PORT": "9000"})) == [("127.0.0.1", 9000)]
        assert list(listens({"LLAMA_ARG_HOST": "0.0.0.0"})) == [("127.0.0.1", 8080)]
        assert list(listens({"LLAMA_ARG_HOST": "/run/llama.sock"})) == []
        assert list(listens({"LLAMA_ARG_PORT": "x"})) == []


def test_local_ai() -> None:
    assert list(row("local_ai").listens({"LOCALAI_ADDRESS": ":9090"})) == [("127.0.0.1", 9090)]


@given(
    st.dictionaries(
        st.sampled_from(["OLLAMA_HOST", "LOCALAI_ADDRESS", "LLAMA_ARG_HOST", "LLAMA_ARG_PORT"]), st.text()
    )
)
def test_whatever_the_variables_hold_nothing_is_raised(environment: dict[str, str]) -> None:
    for engine in ENGINES:
        for host, port in engine.listens(environment):
            assert host
            assert 0 < port < 65536
