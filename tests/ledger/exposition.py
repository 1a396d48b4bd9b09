"""A small reader of Prometheus' text format 0.0.4, strict where `promtool check metrics` is. Our own writer
is not used."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_ESCAPE = re.compile(r'\\(["\\n])')
_UNITS = ("_milliseconds", "_ms", "_minutes", "_kilobytes", "_percent")


@dataclass
class Family:
    """samples: labels, sorted by name, -> value; of a histogram, how many values there are. buckets: of one, bound -> how
    many are below it; sums: of all its values."""

    kind: str = ""
    help: str = ""
    samples: dict[Labels, float] = field(default_factory=dict)
    buckets: dict[Labels, dict[str, float]] = field(default_factory=dict)
    sums: dict[Labels, float] = field(default_factory=dict)


def parse(text: str) -> dict[str, Family]:
    """Raises AssertionError saying where the text is wrong."""
    assert not text or text.endswith("\n"), "the last line has no end"
    families: dict[str, Family] = {}
    last = ""
    for line in text.split("\n")[:-1]:
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert word in ("HELP", "TYPE"), line
            family = families.setdefault(name, Family())
            assert not family.samples, f"{word} after samples: {line}"
            assert name == last or (word == "HELP" and not family.help and not family.kind), line
            if word == "HELP":
                family.help = rest
            else:
                assert not family.kind, f"a second TYPE: {line}"
                assert rest in ("counter", "gauge", "histogram"), line
                family.kind = rest
            last = name
            continue
        match = _SAMPLE.fullmatch(line)
        assert match is not None, f"no sample: {line!r}"
        name, inner, number = match.groups()
        labels = _labels(inner or "", line)
        family = families[last] if last else Family()
        if family.kind == "histogram":
            _of_a_histogram(family, name.removeprefix(last), labels, float(number), line)
            continue
        assert name == last, f"outside its family, or without HELP and TYPE: {line}"
        assert labels not in family.samples, f"twice: {line}"
        family.samples[labels] = float(number)
    for name, family in families.items():
        for labels, count in family.samples.items() if family.kind == "histogram" else ():
            below = list(family.buckets[labels].values())
            assert below == sorted(below), f"{name}: a bucket with less than the one before"
            assert list(family.buckets[labels])[-1] == "+Inf", name
            assert below[-1] == count, f"{name}: +Inf is not all"
            assert labels in family.sums, f"{name}: no sum"
    return families


def _of_a_histogram(family: Family, part: str, labels: Labels, value: float, line: str) -> None:
    if part == "_bucket":
        bound = dict(labels)["le"]
        buckets = family.buckets.setdefault(tuple(pair for pair in labels if pair[0] != "le"), {})
        assert bound not in buckets, f"twice: {line}"
        buckets[bound] = value
        return
    assert part in ("_sum", "_count"), f"no part of a histogram: {line}"
    found = family.sums if part == "_sum" else family.samples
    assert labels not in found, f"twice: {line}"
    found[labels] = value


def _labels(inner: str, line: str) -> Labels:
    found: dict[str, str] = {}
    at = 0
    while at < len(inner):
        match = _LABEL.match(inner, at)
        assert match is not None, f"no label at {at}: {line!r}"
        assert match[1] not in found, f"a label twice: {line}"
        found[match[1]] = _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], match[2])
        at = match.end()
        assert at == len(inner) or inner[at] == ",", f"no comma at {at}: {line!r}"
        at += 1
    return tuple(sorted(found.items()))


def problems_of(text: str) -> list[str]:
    """What is against the naming practices, beside what is no text at all."""
    found = []
    for name, family in parse(text).items():
        if not _NAME.fullmatch(name) or name != name.lower():
            found.append(f"{name}: not a good name")
        if not family.help or not family.kind:
            found.append(f"{name}: no help or no type")
        if (family.kind == "counter") != name.endswith("_total"):
            found.append(f"{name}: _total is for counters, and for all of them")
        if name.removesuffix("_total").endswith(_UNITS):
            found.append(f"{name}: not a base unit")
        if len({tuple(label for label, _ in labels) for labels in family.samples}) > 1:
            found.append(f"{name}: its samples have different labels")
        if family.kind == "counter" and any(value < 0 for value in family.samples.values()):
            found.append(f"{name}: a counter below zero")
    return found
