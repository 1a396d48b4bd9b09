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
    """samples: labels, sorted by name, -> value."""

    kind: str = ""
    help: str = ""
    samples: dict[Labels, float] = field(default_factory=dict)


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
                assert rest in ("counter", "gauge"), line
                family.kind = rest
            last = name
            continue
        match = _SAMPLE.fullmatch(line)
        assert match is not None, f"no sample: {line!r}"
        name, inner, number = match.groups()
        assert name == last, f"outside its family, or without HELP and TYPE: {line}"
        labels = _labels(inner or "", line)
        assert labels not in families[name].samples, f"twice: {line}"
        families[name].samples[labels] = float(number)
    return families


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
