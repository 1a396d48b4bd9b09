"""dialects.overflow: the servers' own sentences for an input that does not fit, and those that only sound like it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.dialects.overflow import overflow

SAID = {
    "Anthropic": ("prompt is too long: 213462 tokens > 200000 maximum", 213462, 200000),
    "Anthropic, output": (
        "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again",
        209573,
        200000,
    ),
    "OpenAI Responses": (
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        None,
        None,
    ),
    "OpenAI Chat": (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 204308 tokens. Please reduce the length of the messages.",
        204308,
        128000,
    ),
    "OpenAI Chat, output": (
        "This model's maximum context length is 4097 tokens, however you requested 6539 tokens (6283 in your prompt; 256 for the completion). Please reduce your prompt; or completion length.",
        6539,
        4097,
    ),
    "OpenAI, characters": (
        "Invalid 'messages[0].content': string too long. Expected a string with maximum length 1048576, but got a string with length 1540820 instead.",
        None,
        None,
    ),
    "DeepSeek": (
        "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens (66000 in the messages, 4000 in the completion). Please reduce the length of the messages or completion.",
        70000,
        65536,
    ),
    "vLLM 0.9": (
        "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the messages, 10000 in the completion). Please reduce the length of the messages or completion.",
        122946,
        16384,
    ),
    "vLLM, output": (
        "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context length is 4096 tokens and your request has 2104 input tokens (2000 > 4096 - 2104).",
        4104,
        4096,
    ),
    "vLLM 0.15": (
        "This model's maximum context length is 2048 tokens. However, your request has 8 input tokens plus 2045 'max_tokens'. Please reduce one or the other. (parameter=input_tokens, max_tokens, value=(8, 2045))",
        2053,
        2048,
    ),
    "vLLM 0.18": (
        "This model's maximum context length is 262144 tokens. However, you requested 128000 output tokens and your prompt contains at least 134145 input tokens, for a total of at least 262145 tokens. Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=134145)",
        262145,
        262144,
    ),
    "vLLM, passed": (
        "You passed 5000 input tokens and requested 100 output tokens. However, the model's context length is only 4096 tokens, resulting in a maximum input length of 3996 tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=5000)",
        5100,
        4096,
    ),
    "vLLM, older": (
        "The decoder prompt (length 40000) is longer than the maximum model length of 32768. Make sure that `max_model_len` is no smaller than the number of text tokens.",
        40000,
        32768,
    ),
    "SGLang": (
        "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
        61709,
        40960,
    ),
    "SGLang, pool": (
        "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens). Use a shorter input or enable --allow-auto-truncate.",
        160062,
        59862,
    ),
    "SGLang, output": (
        "Requested token count exceeds the model's maximum context length of 131072 tokens. You requested a total of 141072 tokens: 131000 tokens from the input messages and 10072 tokens for the completion. Please reduce the number of tokens in the input messages or the completion to fit within the limit.",
        141072,
        131072,
    ),
    "llama.cpp": (
        "request (14429 tokens) exceeds the available context size (8192 tokens), try increasing it",
        14429,
        8192,
    ),
    "llama.cpp, 2025": ("the request exceeds the available context size, try increasing it", None, None),
    "llama-cpp-python": ("Requested tokens (2285) exceed context window of 2048", 2285, 2048),
    "Ollama": ("prompt too long; exceeded max context length by 4096 tokens", None, None),
    "Ollama, native": ("the input length exceeds the context length", None, None),
    "LM Studio": (
        "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input",
        15857,
        4096,
    ),
    "LM Studio, n_keep": (
        "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 9034>= n_ctx: 8192). Try to load the model with a larger context length, or provide a shorter input.",
        9034,
        8192,
    ),
    "LM Studio, no numbers": (
        "The number of tokens to keep from the initial prompt is greater than the context length",
        None,
        None,
    ),
    "LM Studio, while answering": (
        "Reached context length of 4096 tokens with model (arch: qwen3vlmoe) that does not currently support mid-generation context overflow. Try reloading with a larger context length or shortening the prompt/chat.",
        None,
        4096,
    ),
    "LM Studio, size": ("Context size has been exceeded.", None, None),
    "MLX": ("Prompt too long: 40000 tokens exceeds max context window of 32768 tokens", 40000, 32768),
    "Groq": ("Please reduce the length of the messages or completion.", None, None),
    "Cerebras": (
        "Please reduce the length of the messages or completion. Current length is 34087 while limit is 32768",
        34087,
        32768,
    ),
    "Mistral": (
        "Prompt contains 300000 tokens and 0 draft tokens, too large for model with 131072 maximum context length",
        300000,
        131072,
    ),
    "OpenRouter": (
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 132463 tokens (1463 of text input, 131000 in the output). Please reduce the length of either one.",
        132463,
        131072,
    ),
    "xAI": (
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens",
        537812,
        131072,
    ),
    "Gemini": (
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)",
        1196265,
        1048575,
    ),
    "Copilot": ("prompt token count of 145000 exceeds the limit of 128000", 145000, 128000),
    "Moonshot": ("Your request exceeded model token limit: 262144 (requested: 300000)", 300000, 262144),
    "MiniMax": ("invalid params, context window exceeds limit", None, None),
    "Qwen": ("Range of input length should be [1, 129024]", None, 129024),
    "Bedrock": ("Input is too long for requested model.", None, None),
    "Fireworks": ("The prompt is too long: 134567, model maximum context length: 131071", 134567, 131071),
    "TGI": (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 200 `max_new_tokens`",
        4200,
        4096,
    ),
    "Cohere": (
        "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4221.",
        4221,
        4081,
    ),
    "with separators": (
        "Prompt has 300,000 tokens, but the configured context size is 131,072 tokens",
        300000,
        131072,
    ),
}

OTHERS = {
    "output limit, OpenAI": "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.",
    "output limit, Anthropic": "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5",
    "rate": "Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000, Used 0, Requested 10000.",
    "rate, Groq": "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 10000, please reduce your message size and try again.",
    "throttled": "Throttling error: Too many tokens, please wait before trying again.",
    "quota": "You exceeded your current quota, please check your plan and billing details.",
    "a long field": "Invalid 'metadata.note': string too long. Expected a string with maximum length 512.",
    "temperature": "temperature: range: 0..1",
    "a tool's name": "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64.",
    "took long": "The request took too long to process.",
    "nothing": "",
}


@pytest.mark.parametrize("server", SAID)
def test_each_server_in_its_own_words(server: str) -> None:
    message, used, limit = SAID[server]
    assert overflow(message, None) == (used, limit)
    assert overflow(f'{{"error": "{message}"}}', "400") == (used, limit)


@pytest.mark.parametrize("case", OTHERS)
def test_what_only_sounds_like_it(case: str) -> None:
    assert overflow(OTHERS[case], "invalid_request_error") is None


@pytest.mark.parametrize("code", ["context_length_exceeded", "exceed_context_size_error"])
def test_a_code_is_enough(code: str) -> None:
    assert overflow("no", code) == (None, None)


def test_numbers_that_do_not_overflow_are_not_told() -> None:
    assert overflow("maximum context length is 4096 tokens, your request has 12 tokens", None) == (None, 4096)


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=300)
    | st.sampled_from([message for message, _, _ in SAID.values()]).map(lambda m: m * 40)
)
def test_any_text_is_answered(text: str) -> None:
    overflow(text, None)
