"""What is reserved for a request, read off its body (gateway/spending/worst_case.py)."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import pytest

from pointsman.dialects.paths import route
from pointsman.gateway.spending.worst_case import UNSAID, worst_case

CHAT = "/v1/chat/completions"


def of(body: dict[str, Any] | bytes, path: str = CHAT) -> tuple[int, int]:
    return worst_case(route(path), body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("more", "answered"),
    [
        ({}, UNSAID),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 9, "max_tokens": 5}, 9),
        ({"max_output_tokens": 11}, 11),
        ({"max_tokens": 7, "n": 3}, 21),
        ({"n": 2}, 2 * UNSAID),
        ({"max_tokens": None}, UNSAID),
        ({"max_tokens": "many", "n": 0}, UNSAID),
        ({"options": {"num_predict": 30}}, 30),
        # A tool's arguments have names of their own.
        ({"max_tokens": 7, "messages": [{"content": [{"input": {"n": 500, "max_tokens": 10**6}}]}]}, 7),
    ],
)
def test_as_much_as_the_request_allows(more: dict[str, Any], answered: int) -> None:
    assert of({"model": "m"} | more)[1] == answered


def test_a_picture_counts_as_one_and_not_by_its_bytes() -> None:
    picture = base64.b64encode(os.urandom(300_000)).decode()
    asked, _ = of(
        {
            "model": "m",
            "messages": [{"content": [{"image_url": {"url": f"data:image/png;base64,{picture}"}}]}],
        }
    )
    assert 4800 <= asked <= 4900
    words = "word " * 20_000
    assert of({"model": "m", "prompt": words})[0] >= len(words) / 3.6


def test_embeddings_write_nothing_and_a_form_with_a_file_is_no_text() -> None:
    assert of({"model": "m", "input": "abc"}, "/v1/embeddings")[1] == 0
    assert (
        of(b"--x\r\ncontent-disposition: form-data\r\n\r\n" + os.urandom(10_000), "/v1/audio/transcriptions")[
            0
        ]
        == 0
    )
