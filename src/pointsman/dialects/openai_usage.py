"""`usage` as servers of OpenAI's protocols write it (docs/protocols/usage.md#what-each-protocol-counts). Not here: where
in an answer it stands (each seen.py), and how a client is told (each reply.py)."""

from __future__ import annotations

from typing import Any

from ..conversation.usage import Apart, TokenUsage
from .counts import MOST, Counts


def neutral_usage(value: Any) -> TokenUsage | None:
    """None of what is no object. Cached tokens are part of the prompt tokens here as there. Chat's names, Responses', and
    those of servers beside them (docs/protocols/usage.md#names-of-counts)."""
    if not isinstance(value, dict):
        return None
    if (common := common_usage(value)) is not None:
        return common
    usage = Counts(value)
    asked = usage.inner("prompt_tokens_details", "input_tokens_details")
    made = usage.inner("completion_tokens_details", "output_tokens_details")
    cached = _first(
        asked.of("cached_tokens"),
        usage.of("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens"),
    )
    written = _first(
        asked.of("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"),
        usage.of("cache_creation_input_tokens"),
    )
    reasoning = _first(made.of("reasoning_tokens"), usage.of("reasoning_tokens"))
    prompt, completion = _sums(usage, reasoning or 0)
    apart = _apart(asked, made)
    return TokenUsage(prompt, completion, cached, reasoning, cache_write=written, apart=apart).bounded()


def _apart(asked: Counts, made: Counts) -> Apart | None:
    """None where all of it is text, as nearly always. An image in the input that is counted with the text costs the same."""
    heard, seen = asked.of("audio_tokens") or 0, asked.of("image_tokens") or 0
    spoken, drawn = made.of("audio_tokens") or 0, made.of("image_tokens") or 0
    if not (heard or seen or spoken or drawn):
        return None
    return Apart(max(0, heard), max(0, spoken), max(0, seen), max(0, drawn))


def common_usage(value: dict[str, Any]) -> TokenUsage | None:
    """As OpenAI writes it, and nearly all who copy it: three sums that fit, and details; None of anything else."""
    prompt, made, total = (
        value.get("prompt_tokens"),
        value.get("completion_tokens"),
        value.get("total_tokens"),
    )
    if type(prompt) is not int or type(made) is not int or type(total) is not int:
        return _common_response(value)
    members = len(value)
    if members == 3:
        return common_sums(prompt, made, total, None, None)
    read, thought = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    if members != 5 or type(read) is not dict or type(thought) is not dict:
        return None
    cached, reasoning = read.get("cached_tokens"), thought.get("reasoning_tokens")
    if type(cached) is not int or type(reasoning) is not int:
        return None
    if len(read) > 1 and (len(read) > 2 or read.get("audio_tokens", True)):  # it says more
        return None
    if thought.get("audio_tokens") or thought.get("image_tokens"):
        return None
    return common_sums(prompt, made, total, cached, reasoning)


def _common_response(value: dict[str, Any]) -> TokenUsage | None:
    """The same in Responses' names, with both of its details. Written to a cache: none, or it is not said."""
    asked, made, total = value.get("input_tokens"), value.get("output_tokens"), value.get("total_tokens")
    if type(asked) is not int or type(made) is not int or type(total) is not int or len(value) != 5:
        return None
    read, thought = value.get("input_tokens_details"), value.get("output_tokens_details")
    if type(read) is not dict or type(thought) is not dict or len(read) > 2 or len(thought) != 1:
        return None
    cached, reasoning, written = (
        read.get("cached_tokens"),
        thought.get("reasoning_tokens"),
        read.get("cache_write_tokens"),
    )
    if type(cached) is not int or type(reasoning) is not int:
        return None
    found = common_sums(asked, made, total, cached, reasoning)
    if found is None or len(read) == 1:
        return found
    if type(written) is not int or written:
        return None
    return TokenUsage(asked, made, cached, reasoning, cache_write=0)


def common_sums(
    prompt: int, made: int, total: int, cached: int | None, reasoning: int | None
) -> TokenUsage | None:
    """The usage of sums that fit; None of others. cached and reasoning: both, or neither."""
    if total != prompt + made or not 0 < prompt <= total <= MOST:  # so that none of them is below 0
        return None
    if cached is None or reasoning is None:
        return TokenUsage(prompt, made) if cached is reasoning else None
    if not (0 <= cached <= prompt and 0 <= reasoning <= made):
        return None
    return TokenUsage(prompt, made, cached, reasoning)


def _first(*found: int | None) -> int | None:
    """The first that counts anything, else any that is told."""
    told = None
    for one in found:
        if one:
            return one
        told = one if told is None else told
    return told


def _sums(usage: Counts, reasoning: int) -> tuple[int | None, int | None]:
    """(prompt, completion): the one that is left out by the total; reasoning that was counted apart with the rest
    (docs/protocols/usage.md#reasoning-counted-apart)."""
    total = usage.of("total_tokens")
    prompt, completion = usage.of("prompt_tokens"), usage.of("completion_tokens", "output_tokens")
    if not prompt:
        prompt = _prompt(usage, prompt)
    if total and prompt is not None and completion is not None:
        if reasoning and total == prompt + completion + reasoning:
            completion += reasoning
    elif total and prompt is not None:
        completion = max(0, total - prompt)
    elif total and completion is not None:
        prompt = max(0, total - completion)
    elif completion is not None and reasoning > completion:
        completion += reasoning
    return prompt, completion


def _prompt(usage: Counts, told: int | None) -> int | None:
    """By its other names: Anthropic's counts what the cache did apart, DeepSeek's are two halves."""
    given = usage.of("input_tokens")
    if given:
        return given + sum(
            usage.of(name) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens")
        )
    missed = usage.of("prompt_cache_miss_tokens")
    if missed is not None:
        return missed + (usage.of("prompt_cache_hit_tokens") or 0)
    return told if told is not None else given
