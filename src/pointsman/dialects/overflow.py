"""Does an upstream's error say that the input does not fit its window? Each server has its own words: data, in order.

Clients act on it (Claude Code and Codex shrink the conversation), so it must be recognised and told in their wording.
Not here: that wording (vendor_errors.py, anthropic_messages/errors.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_CODES = frozenset(
    {
        "context_length_exceeded",
        "context_window_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
    }
)
_NUMBER = r"\d+(?:[,_]\d{3})*"
_USED = rf"(?P<used>{_NUMBER})"  # what the server counted against the limit; without the output where _OUT is told
_OUT = rf"(?P<out>{_NUMBER})"  # tokens of output that were asked for
_LIMIT = rf"(?P<limit>{_NUMBER})"
_WINDOW = r"(?:context (?:length|window|size|limit)|max_model_len)"

_ROWS = (
    # -- input and output told apart: a smaller output may be enough
    rf"exceed context limit: {_USED} \+ {_OUT} > {_LIMIT}",  # Anthropic
    rf"'?max_(?:completion_)?tokens'? .{{0,40}}?too large: {_OUT}\. .{{0,60}}?{_WINDOW} is {_LIMIT} tokens "
    rf"and your request has {_USED} input tokens",  # vLLM
    rf"maximum {_WINDOW} is {_LIMIT} tokens.{{0,40}}? your request has {_USED} input tokens plus {_OUT}",  # vLLM
    rf"maximum {_WINDOW} is {_LIMIT} tokens.{{0,40}}? requested {_OUT} output tokens and your prompt contains "
    rf"(?:at least )?{_USED} input tokens",  # vLLM
    rf"you passed {_USED} input tokens and requested {_OUT} output tokens.{{0,60}}?{_WINDOW} is only {_LIMIT}",  # vLLM
    rf"maximum {_WINDOW} (?:is|of) {_LIMIT} tokens.{{0,40}}?requested (?:about |a total of )?{_NUMBER} tokens ?[:(] ?"
    rf"{_USED} (?:tokens )?(?:in (?:the|your) (?:messages|prompt)|from the input messages)"
    rf"[,;]? (?:and )?{_OUT} (?:tokens )?(?:in|for) the completion",  # OpenAI, DeepSeek, older vLLM, SGLang
    rf"max_new_tokens`? must be <= {_LIMIT}\. given: {_USED} `?inputs`? tokens and {_OUT}",  # TGI, Together
    # -- both numbers
    rf"prompt is too long: {_USED} tokens > {_LIMIT}",  # Anthropic
    rf"prompt is too long: {_USED}, model maximum {_WINDOW}: {_LIMIT}",  # Fireworks
    rf"prompt too long: {_USED} tokens exceeds? .{{0,30}}?{_WINDOW} (?:of )?{_LIMIT}",  # oMLX
    rf"maximum {_WINDOW} (?:is|of) {_LIMIT} tokens.{{0,120}}?(?:resulted in|requested|have|has|contains)"
    rf" (?:about |at least |a total of )*{_USED}",  # OpenAI, OpenRouter, vLLM
    rf"maximum prompt length is {_LIMIT} but the request contains {_USED}",  # xAI
    rf"request \({_USED} tokens?\) exceeds the available context size \({_LIMIT}",  # llama.cpp
    rf"requested tokens \({_USED}\) exceed {_WINDOW} of {_LIMIT}",  # llama-cpp-python
    rf"first {_USED} tokens when context (?:the )?overflows.{{0,80}}?only {_LIMIT}",  # LM Studio
    rf"initial prompt is greater than the context length ?\(n_keep: {_USED} ?>=? ?n_ctx: {_LIMIT}",  # LM Studio
    rf"input \({_USED} tokens\) is (?:longer|larger) than .{{0,20}}?{_WINDOW} \({_LIMIT}",  # SGLang
    rf"(?:input|prompt) length \(?{_USED}(?: tokens)?\)? exceeds .{{0,60}}?{_LIMIT}",  # SGLang and others
    rf"prompt \((?:total )?length {_USED}\) is longer than the maximum model length of {_LIMIT}",  # older vLLM
    rf"prompt \((?:total )?length {_USED}\) is too long to fit into the model \({_WINDOW} {_LIMIT}",  # vLLM
    rf"prompt contains {_USED} tokens.{{0,40}}?too large for model with {_LIMIT}",  # Mistral
    rf"prompt has {_USED} tokens?, but the configured context size is {_LIMIT}",
    rf"current length is {_USED} while limit is {_LIMIT}",  # Cerebras
    rf"token count (?:of )?\(?{_USED}\)? exceeds the (?:limit|maximum).{{0,60}}?{_LIMIT}",  # Gemini, Copilot
    rf"prompt cannot exceed {_LIMIT} - received {_USED}",  # Cohere
    rf"exceeded model token limit: {_LIMIT} \(requested: {_USED}\)",  # Moonshot
    rf"prompt (?:has|contains|length(?: is| of)?) {_USED} tokens.{{0,80}}?(?:max(?:imum)?|limit)[^\d]{{0,40}}{_LIMIT}",
    # -- the limit alone
    rf"reached context length of {_LIMIT} tokens",  # LM Studio
    rf"`?inputs`? must have less than {_LIMIT} tokens",  # TGI
    rf"range of input length should be \[\d+, ?{_LIMIT}\]",  # Qwen's cloud
    rf"maximum {_WINDOW} (?:is|of) {_LIMIT}",
    # -- no numbers
    r"exceeds? the available context size",  # older llama.cpp
    rf"(?:greater|longer|larger) than the (?:model's )?(?:maximum )?{_WINDOW}",
    r"prompt too long; exceeded (?:max )?context length",  # Ollama
    rf"{_WINDOW}(?: was| is| has been| limit)? exceed",
    rf"exceed(?:s|ed|ing)? (?:the |its |this |your )?(?:model's |model |maximum |max |configured )*{_WINDOW}",
    r"(?:input|prompt|request|conversation) (?:is )?too long(?! to)",
    r"too many tokens in (?:the |your )?(?:prompt|input|request)",
    r"reduce the length of (?:the |your |either )(?:input|messages|prompt|one)",  # Groq
    r"invalid '(?:messages|input)[^']*': string too long",  # OpenAI; its numbers are characters
)
_WORDINGS = tuple(re.compile(row, re.IGNORECASE | re.DOTALL) for row in _ROWS)
_NOT = re.compile(r"rate.?limit|throttl|too many requests|quota|tokens per (?:minute|day)", re.IGNORECASE)
"""Some servers say "too many tokens" of how often they are asked."""
_LOOKED_AT = 2000
"""Characters of an error that are searched."""


def overflow(
    message: str, *words: str | None, inside: Mapping[str, Any] | None = None
) -> tuple[int | None, int | None] | None:
    """(tokens used, limit), each None when not told; None when the error is about something else.

    words: the error's code and type. inside: its object, in which llama.cpp tells the numbers. used counts the output
    that was asked for where the server counts it.
    """
    found = _search(message)
    if found is None:
        if not _CODES.intersection(words):
            return None
        found = (None, None, None)
    if found[0] is None and inside:
        found = (_count(inside.get("n_prompt_tokens")), None, _count(inside.get("n_ctx")) or found[2])
    used, out, limit = found
    if used is not None:
        used += out or 0
        if limit is not None and used <= limit:
            used = None  # not the number that was too large
    return used, limit


def _count(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _search(message: str) -> tuple[int | None, int | None, int | None] | None:
    """(used, out, limit) of the first wording that fits."""
    text = message[:_LOOKED_AT]
    if _NOT.search(text):
        return None
    for wording in _WORDINGS:
        if match := wording.search(text):
            groups = match.groupdict()
            return _number(groups.get("used")), _number(groups.get("out")), _number(groups.get("limit"))
    return None


def _number(digits: str | None) -> int | None:
    digits = (digits or "").replace(",", "").replace("_", "")
    return int(digits) if 0 < len(digits) < 12 else None
