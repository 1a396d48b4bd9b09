"""The practice model on a port of its own, and the official SDKs pointed at it. No gateway in between."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from pointsman.practice import ScriptedUpstream


@pytest.fixture(scope="module")
def practice() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def oa(practice: ScriptedUpstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{practice.url}/v1", api_key="none", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def an(practice: ScriptedUpstream) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=practice.url, api_key="none", max_retries=0, timeout=10) as client:
        yield client
