"""Where a `local_only` rule holds although the name is written otherwise: each spelling that we, a client or a backend
take for the same model comes to one form, and rules are looked for in that form too. Pure; asked once a name.

docs/design.md#spellings-of-a-walled-name has the spellings and who reads them so. Not here: which rule a name has as it
is written (table.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from typing import TypeGuard
from urllib.parse import unquote

from .order import Rank, rank
from .pattern import CONTEXT_SUFFIX, is_wild
from .slices import Slices
from .specs import MappingSpec
from .wild_index import WildIndex

_SCHEME = re.compile(r"^https?:/+")
_AROUND = " \t\r\n\v\f./:"
_TAG = re.compile(
    r"@[^/]*$"  # a digest (Ollama), a quantization (LM Studio)
    r"|:(?:latest|local|cloud)$|(?<=[^:/])-cloud$"  # Ollama
    r"|:\d{1,3}$"  # LM Studio's second instance of a model
    r"|:(?:ud-)?(?:i?q\d[a-z0-9_]*|b?f(?:16|32)|fp16|mxfp4)$|\.gguf$"  # llama.cpp
    r"|:(?:free|nitro|floor|online|thinking|extended|exacto)$"  # OpenRouter
)
_LABEL = re.compile(r"^(?:openai|anthropic|local)(?:/[a-z0-9._-]+)?:(?=.)")
"""A target as this gateway writes it: `local/box:qwen3`."""
_DEEPEST = 8
"""Slashes that are taken for the end of a prefix."""


def folded(text: str) -> str:
    """One form for what differs in letter case, in compatibility characters and invisible ones (Unicode's
    NFKC_Casefold), in percent-encoding, in space and dots around it, in `[1m]`. Look-alikes of other scripts stay
    what they are: no backend takes them for the same name."""
    for _ in range(2):
        text = unquote(text) if "%" in text else text
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFKC", "".join(c for c in text if unicodedata.category(c) != "Cf"))
    text = _SCHEME.sub("", text.replace("\\", "/").strip()).lstrip("/. \t")
    return _unmarked(text)


def _unmarked(text: str) -> str:
    text = text.rstrip(_AROUND)
    while text.endswith(CONTEXT_SUFFIX):
        text = text[: -len(CONTEXT_SUFFIX)].rstrip(_AROUND)
    return text


def _untagged(text: str) -> str:
    """Without what says only which copy of the model, or where it runs."""
    before = ""
    while text != before and text:
        before, text = text, _unmarked(_TAG.sub("", text))
    return text


def spellings(name: str) -> list[str]:
    """The forms under which a name's rules are looked for: as it is folded, without a tag, and each of them without
    the folders, providers or hosts before it."""
    found = dict.fromkeys(_whole(name))
    for one in list(found):
        found.update(dict.fromkeys(_unprefixed(one)))
    return list(found)


def _whole(name: str) -> list[str]:
    """Nothing before it taken away."""
    light = folded(name)
    return [one for one in dict.fromkeys((light, _untagged(light))) if one]


def _unprefixed(text: str) -> Iterator[str]:
    if _LABEL.match(text):
        yield _LABEL.sub("", text)
    parts = text.split("/")
    yield from ("/".join(parts[at:]) for at in range(max(1, len(parts) - _DEEPEST), len(parts)))


class Walls:
    """rules: all enabled ones, best first."""

    def __init__(self, rules: Iterable[MappingSpec]) -> None:
        self._exact: dict[str, list[MappingSpec]] = {}
        self._short: dict[str, list[MappingSpec]] = {}
        self._wild: list[MappingSpec] = []
        for rule in rules:
            if is_wild(rule.pattern):
                self._wild.append(rule)
                continue
            for form in _whole(rule.pattern):
                self._exact.setdefault(form, []).append(rule)
                if rule.local_only and "/" in form:  # LM Studio: `publisher/model` is `model`, too
                    self._short.setdefault(form.rpartition("/")[2], []).append(rule)

        self._index = WildIndex([_folded_pattern(rule.pattern) for rule in self._wild])

    def over(
        self, name: str, written: MappingSpec | None, besides: Container[int] = ()
    ) -> Slices[tuple[MappingSpec, str] | None]:
        """The local_only rule that holds for this name in another spelling, and the name to use behind it. written: the
        rule of the name as it is written; one that names it exactly, or that comes first among rules, says itself where
        the model goes. besides: ids of rules that do not count."""
        if written is not None and (written.local_only or not is_wild(written.pattern)):
            return None
        for form in spellings(name):
            yield
            rule = yield from self._rule_for(form, besides)
            if _holds(rule, written):
                return rule, form if is_wild(rule.pattern) else rule.pattern
        for form in _whole(name):
            rule = _next(self._short.get(form, ()), besides)
            if _holds(rule, written):
                return rule, rule.pattern
        return None

    def _rule_for(self, form: str, besides: Container[int]) -> Slices[MappingSpec | None]:
        exact = _next(self._exact.get(form, ()), besides)
        out = [at for at, one in enumerate(self._wild) if one.id in besides] if besides else ()
        number = yield from self._index.search(form, out)
        wild = None if number is None else self._wild[number]
        if exact is None or wild is None:
            return exact or wild
        return min(exact, wild, key=_rank)


def _next(rules: Iterable[MappingSpec], besides: Container[int]) -> MappingSpec | None:
    return next((rule for rule in rules if rule.id not in besides), None)


def _holds(rule: MappingSpec | None, written: MappingSpec | None) -> TypeGuard[MappingSpec]:
    return rule is not None and rule.local_only and (written is None or _rank(rule) < _rank(written))


def _folded_pattern(pattern: str) -> str:
    """Its wild characters are not touched: folding changes none into another."""
    text = unicodedata.normalize("NFKC", pattern).casefold()
    return text.removesuffix(CONTEXT_SUFFIX) or text


def _rank(rule: MappingSpec) -> Rank:
    """As table.py orders them, of the pattern without `[1m]`, but for the older one."""
    return rank(rule.priority, _folded_pattern(rule.pattern), 0, len(rule.conditions))
