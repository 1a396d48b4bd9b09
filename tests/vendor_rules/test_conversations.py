"""Whatever a client sends, what goes out is what the vendor takes, or the client is told why not: generated conversations
of every pair of protocols against the vendors' own rules.

60 conversations a pair in `make test`; POINTSMAN_CONVERSATIONS=10000 for as many as that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pointsman.dialects.capsule import Capsules
from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.kinds import Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.crossing import Asked, Crossing
from pointsman.wire.key_mask import KeyMask

from . import chat, messages, responses
from .conversations import CHAT, MESSAGES, RESPONSES, bodies
from .kit import Target

EXAMPLES = int(os.environ.get("POINTSMAN_CONVERSATIONS", "60"))
OPENAI = BackendSpec("openai", "openai", "", "https://api.openai.com", stream_usage=True)
ANTHROPIC = BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com")
LOCAL = BackendSpec("local/box", "local", "box", "http://127.0.0.1:8080")

THREE, NO_XHIGH = ("low", "medium", "high"), ("low", "medium", "high", "max")
FIVE = ("low", "medium", "high", "xhigh", "max")
TARGETS: dict[Protocol, list[tuple[BackendSpec, Target]]] = {
    CHAT: [
        (OPENAI, Target("gpt-4.1", max_tokens=32_768)),
        (OPENAI, Target("gpt-5.1", reasons=True, efforts=("none", *THREE), max_tokens=128_000)),
        (LOCAL, Target("llama", vendor=False)),
        (LOCAL, Target("gpt-oss", vendor=False, efforts=THREE)),
        (LOCAL, Target("magistral", vendor=False, nine=True)),
    ],
    RESPONSES: [
        (OPENAI, Target("gpt-5.6", reasons=True, efforts=("none", *FIVE), max_tokens=128_000)),
        (OPENAI, Target("gpt-4.1", max_tokens=32_768)),
        (LOCAL, Target("llama", vendor=False)),
    ],
    MESSAGES: [
        (ANTHROPIC, Target("claude-3-5-haiku", max_tokens=8192, prefill=True, structured=False, one_of=False)),
        (ANTHROPIC, Target("claude-sonnet-4-5", max_tokens=64_000, budget=True, prefill=True)),
        (ANTHROPIC, Target("claude-opus-4-5", max_tokens=64_000, budget=True, prefill=True, efforts=THREE)),
        (ANTHROPIC, Target("claude-sonnet-4-6", max_tokens=64_000, budget=True, adaptive=True, efforts=NO_XHIGH)),
        (ANTHROPIC, Target("claude-opus-4-8", max_tokens=128_000, adaptive=True, efforts=FIVE, sampling=False, mid_system=True)),
        (ANTHROPIC, Target("claude-opus-5-5", max_tokens=128_000, adaptive=True, efforts=FIVE, sampling=False, mid_system=True, forced=False, can_be_off=False)),
        (LOCAL, Target("llama", vendor=False, budget=True, prefill=True, structured=False)),
    ],
}  # fmt: skip
"""What the vendors' pages say of the models, by hand: our own rows are what is on trial."""
CHECKS: dict[Protocol, Callable[[dict[str, Any], Target], list[str]]] = {
    CHAT: chat.check, RESPONSES: responses.check, MESSAGES: messages.check,
}  # fmt: skip
PAIRS = [(client, upstream) for client in CHECKS for upstream in CHECKS if client is not upstream]


class Head:
    def get(self, name: bytes) -> bytes | None:
        return None


def sent(
    client: Protocol, upstream: Protocol, spec: BackendSpec, model: str, body: dict[str, Any]
) -> dict[str, Any]:
    """What the backend would get. Raises PointsmanError."""
    dialect = DIALECTS[client]
    assert dialect.translation is not None
    asked = Asked(dialect.translation, msgspec.json.encode(body), Head(), "req", Capsules(b"k"))  # type: ignore[arg-type]
    crossing = Crossing(
        asked, dialect, DIALECTS[upstream], profile_for(spec, upstream, model), None, KeyMask(b"")
    )
    found: dict[str, Any] = json.loads(crossing.body)
    return found


@pytest.mark.timeout(120 + EXAMPLES)  # 20 ms a conversation; a busy machine takes its time
@pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=lambda value: value.value)
def test_what_goes_out_is_what_the_vendor_takes(client: Protocol, upstream: Protocol) -> None:
    told = [0, 0]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=bodies(client), at=st.sampled_from(TARGETS[upstream]))
    def each(body: dict[str, Any], at: tuple[BackendSpec, Target]) -> None:
        spec, target = at
        try:
            out = sent(client, upstream, spec, target.model, body)
        except PointsmanError as error:
            event("refused")
            told[0] += 1
            assert error.status == 400, error
            assert error.param, error.public
            return
        told[1] += 1
        assert CHECKS[upstream](out, target) == []
        assert sent(client, upstream, spec, target.model, body) == out

    each()
    assert told[1] > told[0], "most conversations should have gone out"
