"""Lists of prices that others keep, read into ours: pydantic's genai-prices (MIT) and LiteLLM's model_prices (MIT).

What of them is wrong for us is set right here, so that it is of a file that is read in tomorrow, too (FILLED, REGIONS, and
`_services`; docs/prices.md#what-is-set-right). Pure. Not here: which list counts (admin/store/price_lists.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .price_spec import Period, Prices, PriceSpec, Tariff, pico

_GENAI = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_long",
    "web_searches_kcount": "web_search",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
    "input_image_mtok": "image_input",
    "output_image_mtok": "image_output",
    "output_reasoning_mtok": "reasoning",
    "requests_kcount": "request",
}
_PER = {"kcount": 1000}
_TIERS = ("service_tier", "processing", "speed")
"""What a variant may go by that an answer tells of itself; where it went and how it searched, none does."""
_LITELLM = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_long",
    "input_cost_per_audio_token": "audio_input",
    "output_cost_per_audio_token": "audio_output",
    "input_cost_per_image_token": "image_input",
    "output_cost_per_image_token": "image_output",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_request": "request",
}
_LITELLM_PROVIDERS = {
    "bedrock": "aws", "bedrock_converse": "aws", "cohere_chat": "cohere", "fireworks_ai": "fireworks", "gemini": "google",
    "moonshot": "moonshotai", "text-completion-openai": "openai", "together_ai": "together", "voyage": "voyageai",
    "xai": "x-ai", "azure_ai": "azure",
}  # fmt: skip
_LITELLM_KIND = re.compile(r"_(?:above_(\d+)k_tokens)?(?:_?(flex|priority|batches))?$")
REGIONS = {"anthropic": {"us": 1100}}
"""By provider, by the region an answer says it was made in: thousandths (Anthropic, Pricing, Data residency pricing)."""
FILLED = {
    ("openai", "gpt-4o-audio-preview"): Prices(audio_input=40_000_000, audio_output=80_000_000),
    ("openai", "gpt-4o-mini-audio-preview"): Prices(audio_input=10_000_000, audio_output=20_000_000),
}
"""What a list lacks for a model (OpenAI, Pricing, Audio tokens)."""


class ProviderPrices(msgspec.Struct, frozen=True):
    """hosts: a regular expression of its base URLs. others: providers whose prices hold for what it has none for."""

    id: str
    name: str
    hosts: str
    models: tuple[PriceSpec, ...]
    others: tuple[str, ...] = ()


def read(data: Any, source: str) -> list[ProviderPrices]:
    """A decoded file of one of both kinds, known by its shape. Raises PointsmanError for any other."""
    try:
        if isinstance(data, list) and data and all(isinstance(one, dict) and "models" in one for one in data):
            return [_provider(one, source) for one in data]
        if isinstance(data, dict) and any(
            isinstance(one, dict) and "litellm_provider" in one for one in data.values()
        ):
            return _litellm(data, source)
    except (KeyError, TypeError, ValueError, re.error) as error:
        raise PointsmanError(
            ErrorKind.INVALID, f"The file looks like a list of prices but cannot be read: {error!r}"
        ) from None
    raise PointsmanError(
        ErrorKind.INVALID,
        "This is no list of prices that is known: what `pointsman prices list --own --json` prints,"
        " genai-prices' data.json, or LiteLLM's model_prices_and_context_window.json.",
    )


# -- genai-prices


def _provider(given: Mapping[str, Any], source: str) -> ProviderPrices:
    name = given["id"]
    found = (_model(name, model, source) for model in given["models"])
    return ProviderPrices(
        name,
        given.get("name") or name,
        given.get("api_pattern") or "",
        tuple(one for one in found if one is not None),
        tuple(given.get("fallback_model_providers") or ()),
    )


def _model(provider: str, given: Mapping[str, Any], source: str) -> PriceSpec | None:
    """None where it has no price for what is counted here: seconds of sound, pages, letters."""
    filled = FILLED.get((provider, given["id"]), Prices())
    steps = [(_constraint(one), one["prices"]) for one in _listed(given["prices"])]
    variants = list(_services(given.get("price_variants") or ()))
    windows = [(one, prices) for (_, one), prices in steps if one is not None]
    dates = {since for (since, window), _ in steps if window is None} | {since for since, _, _ in variants}
    periods = []
    for at in sorted(dates | {0}):
        plain = [prices for (since, window), prices in steps if window is None and since <= at]
        active = plain[-1] if plain else steps[0][1]
        services = {
            name: _tariff({**active, **prices}, filled)
            for since, name, prices in sorted(variants, key=lambda one: one[0])
            if since <= at
        }
        periods.append(Period(_tariff(active, filled), at, services))
    periods += [Period(_tariff(prices, filled), 0, {}, window) for window, prices in windows]
    priced = [
        one for one in periods if one.tariff.prices.input is not None or one.tariff.prices.request is not None
    ]
    if not priced:
        return None
    return PriceSpec(
        given["id"], tuple(_clauses(given["match"])), _distinct(periods), REGIONS.get(provider, {}), source
    )


def _listed(prices: Any) -> Sequence[Mapping[str, Any]]:
    return prices if isinstance(prices, list) else [{"prices": prices}]


def _distinct(periods: Sequence[Period]) -> tuple[Period, ...]:
    """Without those that only repeat the one before."""
    found: list[Period] = []
    for one in periods:
        last = found[-1] if found else None
        if last is None or (last.tariff, last.services, last.window) != (
            one.tariff,
            one.services,
            one.window,
        ):
            found.append(one)
    return tuple(found)


def _constraint(given: Mapping[str, Any]) -> tuple[int, tuple[int, int] | None]:
    """(since when, which minutes of a day)."""
    told = given.get("constraint") or {}
    if "start_time" in told:
        return 0, (_minute(told["start_time"]), _minute(told["end_time"]))
    return (_day(told["start_date"]) if "start_date" in told else 0), None


def _services(variants: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """(since when, tier, prices). The oldest of a tier holds always: its date is when somebody looked, not when it began."""
    found: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for one in variants:
        ((what, word), *more) = one["when"].items()
        if what in _TIERS and not more and word != "default":
            found.setdefault(word, []).append((_constraint(one)[0], one["prices"]))
    for name, dated in found.items():
        (_, oldest), *later = sorted(dated, key=lambda one: one[0])
        yield 0, name, oldest
        for since, prices in later:
            yield since, name, prices


def _tariff(prices: Mapping[str, Any], filled: Prices) -> Tariff:
    """By each number of tokens from which one of its prices is another."""
    steps = {
        tier["start"] for one in prices.values() if isinstance(one, dict) for tier in one.get("tiers") or ()
    }
    above = tuple((start, _prices(prices, filled, start)) for start in sorted(steps))
    return Tariff(_prices(prices, filled, None), above)


def _prices(prices: Mapping[str, Any], filled: Prices, start: int | None) -> Prices:
    found = {name: value for name in filled.__struct_fields__ if (value := getattr(filled, name)) is not None}
    for name, price in prices.items():
        quantity = _GENAI.get(name)
        if quantity is None or price is None:
            continue
        if isinstance(price, dict):
            reached = [
                one["price"]
                for one in price.get("tiers") or ()
                if start is not None and one["start"] <= start
            ]
            price = reached[-1] if reached else price["base"]
        per = _PER.get(name.rpartition("_")[2], 1)
        found[quantity] = pico(str(price), quantity) // per
    return Prices(**found)


def _clauses(given: Mapping[str, Any]) -> Iterator[str]:
    """See PriceSpec.match. All of several together are one regular expression."""
    ((kind, told),) = given.items()
    if kind == "or":
        for one in told:
            yield from _clauses(one)
        return
    sign = {"equals": "=", "starts_with": "^", "contains": "~", "ends_with": "$"}.get(kind)
    if sign is not None:
        yield sign + told.lower()
        return
    text = _regex(given)
    re.compile(text)
    yield f"/{text}"


def _regex(given: Mapping[str, Any]) -> str:
    ((kind, told),) = given.items()
    if kind == "regex":
        return str(told)
    if kind == "and":
        return "^" + "".join(f"(?=.*?(?:{_regex(one)}))" for one in told)
    if kind == "or":
        return "|".join(f"(?:{_regex(one)})" for one in told)
    text = re.escape(told.lower())
    begins, ends = kind in ("equals", "starts_with"), kind in ("equals", "ends_with")
    return f"{'^' * begins}{text}{'$' * ends}"


def _day(text: Any) -> int:
    return int(datetime.fromisoformat(str(text)).replace(tzinfo=UTC).timestamp())


def _minute(text: Any) -> int:
    hours, minutes = str(text).split(":")[:2]
    return int(hours) * 60 + int(minutes)


# -- LiteLLM


def litellm_provider(theirs: str) -> str:
    """Our name for one of LiteLLM's, of which several are one provider."""
    return "google" if theirs.startswith("vertex_ai") else _LITELLM_PROVIDERS.get(theirs, theirs)


def _litellm(given: Mapping[str, Any], source: str) -> list[ProviderPrices]:
    """Its names begin with the provider's where several have the model."""
    found: dict[str, dict[str, PriceSpec]] = {}
    for name, told in given.items():
        if name == "sample_spec" or not isinstance(told, dict) or "litellm_provider" not in told:
            continue
        theirs = str(told["litellm_provider"])
        provider = litellm_provider(theirs)
        model = name.removeprefix(f"{theirs}/").removeprefix(f"{theirs.partition('-')[0]}/").lower()
        tariffs = _litellm_tariffs(told)
        standard = tariffs.pop("", None)
        if standard is None or standard.prices.input is None:
            continue
        period = Period(standard, 0, tariffs)
        spec = PriceSpec(model, (f"={model}",), (period,), REGIONS.get(provider, {}), source)
        found.setdefault(provider, {}).setdefault(model, spec)
    return [ProviderPrices(name, name, "", tuple(models.values())) for name, models in found.items()]


def _litellm_tariffs(told: Mapping[str, Any]) -> dict[str, Tariff]:
    """By tier, "" the standard one; a tier has the standard's prices where it has none of its own, but not those of a long
    input."""
    found: dict[str, dict[int, dict[str, int]]] = {}
    for name, price in told.items():
        kind = _LITELLM_KIND.search(name)
        quantity = _LITELLM.get(name[: kind.start()] if kind is not None else name)
        if quantity is None or not isinstance(price, int | float) or not 0 <= price < 1:
            continue
        above, tier = kind.groups("") if kind is not None else ("", "")
        step = found.setdefault({"batches": "batch"}.get(tier, tier), {}).setdefault(
            1000 * int(above or 0), {}
        )
        step[quantity] = round(float(price) * 1e12)
    searched = told.get("search_context_cost_per_query")
    if (
        isinstance(searched, dict)
        and searched
        and all(isinstance(one, int | float) for one in searched.values())
    ):
        found.setdefault("", {}).setdefault(0, {})["web_search"] = round(min(searched.values()) * 1e12)
    standard = found.get("", {})
    tariffs = {}
    for tier, steps in found.items():
        base = standard.get(0, {}) | steps.get(0, {})
        dearer = tuple((start, Prices(**(base | steps[start]))) for start in sorted(steps) if start)
        tariffs[tier] = Tariff(Prices(**base), dearer)
    if "priority" in tariffs:  # the same under OpenAI's newer word
        tariffs.setdefault("fast", tariffs["priority"])
    return tariffs
