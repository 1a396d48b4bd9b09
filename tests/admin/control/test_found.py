"""What was found beside what is stored: who is left out, and how the rest is called."""

from __future__ import annotations

import pytest

from pointsman.admin.control.found import keeper, named, specs
from pointsman.link.messages import FoundServer


def server(port: int, engine: str = "ollama", problem: str | None = None) -> FoundServer:
    return FoundServer(engine, engine.title(), f"http://127.0.0.1:{port}", problem)


def names(servers: list[FoundServer], stored: dict[str, str]) -> list[str]:
    return [one.key for one in named(servers, stored)]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:11434",
        "http://localhost:11434",
        "http://localhost:11434/v1",
        "http://[::1]:11434",
        "http://127.0.0.1:11434/prefix",
    ],
)
def test_a_server_that_is_stored_under_any_spelling_is_not_found_once_more(url: str) -> None:
    assert names([server(11434)], {"box": url}) == []
    assert keeper(server(11434), {"box": url}) == "box"


def test_an_address_elsewhere_is_another_server() -> None:
    assert names([server(11434)], {"box": "http://192.168.1.5:11434"}) == ["local/ollama"]


def test_names_are_never_given_twice() -> None:
    stored = {"ollama": "http://127.0.0.1:1"}
    assert names([server(2)], stored) == ["local/ollama-2"]
    assert names([server(2), server(3)], {}) == ["local/ollama", "local/ollama-3"]
    assert names([server(2)], stored | {"ollama-2": "http://127.0.0.1:9"}) == []


def test_one_that_somebody_must_adopt_first_is_named_and_is_no_backend() -> None:
    found = named([server(2, problem="it is another user's"), server(3, "vllm")], {})
    assert [one.name for one in found] == ["ollama", "vllm"]
    assert [(spec.key, spec.found) for spec in specs(found)] == [("local/vllm", True)]
