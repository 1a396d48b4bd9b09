"""Which modules run as machine code: those of MODULES that were built from the very sources that stand here.

`_scan` is C; the others are the same Python as without a compiler, translated by Cython with the types that the `.pxd`
file beside each declares. hatch_build.py builds them (docs/decisions/0010-machine-code.md). A build whose sources have
changed since is passed over, and so are those that POINTSMAN_PURE says. Not here: what falls back on what (wire/scan.py).
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from pathlib import Path
from zlib import crc32

MODULES = (
    "wire._scan",
    "wire.sse",
    "wire.http1",
    "resilience.breaker",
    "resilience.budget",
    "resilience.admission",
    "resilience.board",
    "wire.chunks",
    "dialects.same_again",
    "dialects.whole_again",
    "dialects.seen",
    "dialects.counts",
    "dialects.openai_usage",
    "dialects.openai_chat.seen",
    "dialects.openai_responses.told",
    "dialects.openai_responses.seen",
    "dialects.anthropic_messages.usage",
    "dialects.anthropic_messages.seen",
    "dialects.fields",
    "dialects.openai_chat.reader",
    "dialects.openai_responses.reader",
    "dialects.anthropic_messages.reader",
    "dialects.part_writer",
    "dialects.openai_chat.writer",
    "dialects.anthropic_messages.writer",
    "dialects.openai_responses.writer",
    "translation.reasoning_store",
    "translation.sequence",
    "translation.usable_calls",
    "translation.stream",
    "translation.crossing",
    "conversation.notes",
    "conversation.reply",
    "translation.losses",
    "translation.adapt",
    "translation.fit_values",
    "translation.fit_cache",
    "dialects.written",
    "dialects.headers",
    "dialects.plain_request",
    "dialects.anthropic_messages.cited",
    "dialects.anthropic_messages.reply",
    "dialects.anthropic_messages.request_in",
    "dialects.anthropic_messages.turns",
    "dialects.openai_chat.messages_in",
    "dialects.openai_chat.messages_out",
    "dialects.openai_chat.reply",
    "conversation.known",
    "translation.heal",
    "translation.fit_history",
    "translation.fit_turns",
    "dialects.memory",
    "dialects.body_memory",
    "dialects.turn_memory",
    "wire.answer",
    "gateway.attempt.answer",
    "gateway.attempt.across",
    "dialects.openai_chat.plain_reply",
    "ledger.counters",
    "ledger.cost",
    "ledger.tally",
    "gateway.request.meter",
    "gateway.attempt.meaning",
    "gateway.attempt.judge",
    "gateway.attempt.relay",
    "gateway.data_plane",
    "gateway.lane.facts",
    "gateway.lane.state",
    "gateway.lane.accounted",
    "gateway.lane.lane",
    "gateway.lane.across",
    "gateway.lane.begin",
    "gateway.client.head_memory",
    "gateway.client.server",
    "upstream.connection",
    "upstream.pool",
    "customs.looking",
)
PURE = "POINTSMAN_PURE"
"""Set to PYTHON, the C file runs as machine code, and what was written in Python as Python. Set to anything else but "" or
0, only Python runs, and nothing is built."""
PYTHON = "python"
_ROOT = Path(__file__).parent
FOLDER = _ROOT / "_native"
"""Of what was built, one file a module and Python; beside each a stamp that says from which sources."""


def wants_pure() -> bool:
    """Does the environment say that only Python runs?"""
    return os.environ.get(PURE, "") not in ("", "0", PYTHON)


def _at(module: str, suffix: str) -> Path:
    return _ROOT.joinpath(*module.split(".")).with_suffix(suffix)


def _is_wanted(module: str) -> bool:
    """As machine code, by the environment."""
    return not wants_pure() and (os.environ.get(PURE) != PYTHON or _at(module, ".c").exists())


def takes(module: str) -> list[str]:
    """The modules that it takes types from, itself first: where one of them is not compiled, it cannot be loaded."""
    found = [module]
    for one in found:  # grows while it is walked
        found += [name for name in _named(one) if name not in found]
    return found


@cache
def _named(module: str) -> tuple[str, ...]:
    """In its own `.pxd`."""
    cimports = re.findall(rf"^from {__package__}\.([\w.]+) cimport", _declared(module).decode(), re.MULTILINE)
    return tuple(dict.fromkeys(cimports))


@cache
def _declared(module: str) -> bytes:
    """Its `.pxd`, read once a process: of every start each is asked for many times. b"-" where there is none."""
    try:
        return _at(module, ".pxd").read_bytes()
    except FileNotFoundError:
        return b"-"


def sources(module: str) -> list[Path]:
    """What a module is built from, and what it takes types from."""
    if _at(module, ".c").exists():
        return [_at(module, ".c")]
    return [_at(module, ".py"), *(_at(name, ".pxd") for name in takes(module))]


def stamp_of(module: str) -> str:
    """Of the sources as they are now."""
    own, *declared = sources(module)
    sum_ = crc32(own.read_bytes())
    for name in takes(module) if declared else ():
        sum_ = crc32(_declared(name), sum_)
    return f"{sum_:08x}"


def built(module: str) -> Path:
    """The file that a build makes for this Python."""
    return FOLDER / f"{module}{EXTENSION_SUFFIXES[0]}"


def fresh(module: str) -> bool:
    """Was it built, and from the sources as they are now?"""
    try:
        return built(module).exists() and built(module).with_suffix(".stamp").read_text() == stamp_of(module)
    except OSError:
        return False


class _Finder:
    """Finds the built modules before Python finds their sources."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        package, _, module = name.partition(".")
        if package != __package__ or module not in MODULES or not compiled(module):
            return None
        from importlib.util import spec_from_file_location

        file = str(built(module))
        return spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))


_fresh = cache(fresh)
"""As it was when it was first asked for: a module goes by it, and so do those that take types from it."""


def compiled(module: str) -> bool:
    """Does it run as machine code, or will when it is imported?"""
    return _USED and _is_wanted(module) and all(map(_fresh, takes(module)))


def runs() -> tuple[str, ...]:
    """The modules that run as machine code, or will when they are imported."""
    return tuple(filter(compiled, MODULES))


_USED = not wants_pure() and FOLDER.exists()
if _USED:
    sys.meta_path.insert(0, _Finder())


def stale() -> list[str]:
    """Modules that were built, but from other sources than those that stand here."""
    return [one for one in MODULES if _is_wanted(one) and built(one).exists() and not fresh(one)]


def how() -> tuple[str, str]:
    """(`compiled`, `partly compiled` or `pure`, a sentence that says why or which)."""
    run = runs()
    if len(run) == len(MODULES):
        return "compiled", f"{len(run)} modules run as machine code."
    if wants_pure():
        return "pure", f"Only Python runs: {PURE} is set."
    if run and all(_is_wanted(module) is (module in run) for module in MODULES):
        return (
            "partly compiled",
            f"The C file runs as machine code, no module of Python does: {PURE}={PYTHON} is set.",
        )
    lacking = ", ".join(stale() or [module for module in MODULES if module not in run])
    why = f"not built from these sources: {lacking}" if stale() else f"not built: {lacking}"
    return (
        "partly compiled" if run else "pure"
    ), f"{len(run)} of {len(MODULES)} modules run as machine code; {why}."
