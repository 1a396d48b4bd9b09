"""No field of the vendors' own request types goes without a word, but where its absence says the same."""

from __future__ import annotations

import re

import pytest

from pointsman.kinds import Protocol

from .fidelity import TARGETS, outcome
from .official import SCHEMAS, rows

SILENT = (
    # (where it stands, why nothing is lost)
    (r"=\{\}|=\[\]|:\s\{\}", "it says nothing"),
    (r"=False|stream_options|include=", "how the answer is written for this client, or a default"),
    (r"='(auto|standard|none|disabled|default|medium|text|message|direct|completed|in_progress|incomplete)'", "a default"),
    (r"=\{('format': \{)?'type': '(text|auto|none|direct|local|disabled|adaptive|message|approximate)'\}", "a default"),
    (r"\['text'\]|\['direct'\]|parallel_tool_calls=True|external_web_access=True", "a default"),
    (r"cache_control|prompt_cache", "a mark changes a price, never an answer; its time is told where marks are known"),
    (r"\.type=", "the same by a newer or an older name"),
    (r"\.(id|status|approval_request_id)[=~]", "a name that the vendor gave, which no model reads"),
    (r"(reasoning|Reasoning).*(summary|effort)|summary=", "reasoning that comes is always shown"),
    (r"Thinking|thinking", "signed reasoning goes to who signed it; a model that does not think thinks adaptively"),
    (r"ReasoningItem.*(id|encrypted_content)", "sealed reasoning goes to who sealed it"),
    (r"phase=", "a mark of one vendor's models on their own history"),
    (r"format<.*\.(name|strict)", "a label no model sees; a format is always enforced there"),
    (r"FunctionMessageParam>\.name", "the call that it answers bears it"),
    (r"eager_input_streaming=True", "a tool's input streams everywhere else"),
    (r"user_location", "a place without a name"),
)  # fmt: skip
_ARGUED = re.compile("|".join(pattern for pattern, _ in SILENT))


@pytest.mark.parametrize("client", SCHEMAS)
def test_every_field_of_the_sdks_arrives_is_told_or_is_refused(client: Protocol) -> None:
    targets = [target for target in TARGETS[:3] if target[1] is not client]
    lost, sent = [], 0
    for where, without, having in rows(client):
        for name, upstream, spec, model in targets:
            if outcome(client, upstream, spec, model, {}, without) == "refused":
                continue
            sent += 1
            if outcome(client, upstream, spec, model, having, without) == "silent":
                if not _ARGUED.search(where):
                    lost.append(f"{where} toward {name}")
    assert not lost, "\n".join(lost)
    assert sent > 100
