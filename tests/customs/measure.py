"""`python -m tests.customs.measure`: what customs cost for 100 KB, how many of the secrets made up by rule they find, and how
often they take for one what is none, in the source of Python's standard library and of this repository.

The figures of docs/customs.md are its output.
"""

from __future__ import annotations

import json
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from pointsman.customs.finding import Finder
from pointsman.customs.hints import COMPILED
from pointsman.customs.placeholders import Placeholders
from pointsman.customs.putting_back import PuttingBack
from tests.vendor_bodies import chat

from .made_up import KINDS, SURROUNDINGS

ROOT = Path(__file__).parents[2]
EACH = 20
"""Secrets of a kind in each of the surroundings."""
SIZE = 100 * 1024
ROUNDS = 30


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def milliseconds(work: Callable[[], object]) -> float:
    """The best of some rounds."""
    work()
    best = float("inf")
    for _ in range(ROUNDS):
        before = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - before)
    return best * 1000


def sources() -> Iterator[tuple[str, str, bytes]]:
    """(whose, which file, its text), of which none holds anybody's secret. Tests of credentials are about nothing else."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if "site-packages" not in path.parts and "dist-packages" not in path.parts:
            yield "standard library", str(path.relative_to(library)), path.read_bytes()
    for folder in ("src", "tests", "docs"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".md", ".html", ".js", ".c") and path.is_file():
                yield f"this repository, {folder}", str(path.relative_to(ROOT)), path.read_bytes()


def body_of(text: str) -> bytes:
    """A coding agent's request with this in its tool results."""
    pieces = [text[at : at + 8000] for at in range(0, len(text), 8000)]
    messages = [{"role": "tool", "tool_call_id": f"call_{n}", "content": one} for n, one in enumerate(pieces)]
    return json.dumps({"model": "m", "messages": messages}).encode()


def cost(finder: Finder) -> None:
    code = b"".join(text for whose, _, text in sources() if whose == "standard library").decode(
        "utf-8", "replace"
    )
    plain = body_of(code[: SIZE * 9 // 10])
    chance = Random(1)
    secrets = "\n".join(
        KINDS[name](chance) for name in ("private_key", "stripe_key", "github_token", "env_secret")
    )
    with_some = body_of(code[: SIZE * 9 // 10] + secrets)
    say(f"the look: {'machine code' if COMPILED else 'Python'}")
    scale = SIZE / len(plain)
    say(f"100 KB of code, nothing in it: {milliseconds(lambda: finder.look(plain)) * scale:.2f} ms")

    def mask() -> bytes:
        return Placeholders(b"k", "1").masked(with_some, finder.look(with_some))

    say(f"100 KB of code, four credentials, masked: {milliseconds(mask) * SIZE / len(with_some):.2f} ms")
    back = Placeholders(b"k", "1")
    name = back.of(b"x").decode()
    event = chat.stream(chat.headed(chat.delta(content="word ")), done=False)
    last = event.replace(b"word ", name.encode())
    putting = PuttingBack(back.known)
    many = milliseconds(lambda: [putting.feed(event) for _ in range(1000)] + [putting.feed(last)])
    say(f"an event of a stream that is put back: {many:.1f} µs")


def recall(finder: Finder) -> None:
    found: Counter[str] = Counter()
    missed: list[str] = []
    chance = Random(7)
    for name, make in KINDS.items():
        kind = name.partition(" ")[0]
        for around in SURROUNDINGS.values():
            for _ in range(EACH):
                secret = make(chance)
                body = json.dumps({"messages": [{"content": around(secret)}]}).encode()
                kinds = [one for held in finder.look(body) for one in held.kinds()]
                found[name] += kind in kinds
                if kind not in kinds:
                    missed.append(f"{name}: {secret[:60]}")
    each = EACH * len(SURROUNDINGS)
    total = each * len(KINDS)
    say(f"found: {sum(found.values())} of {total} ({100 * sum(found.values()) / total:.2f} %)")
    for name in KINDS:
        if found[name] < each:
            say(f"  {name}: {100 * found[name] / each:.1f} %")
    for one in missed[:10]:
        say(f"    missed {one}")


def alarms(finder: Finder) -> None:
    sizes: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    where: list[str] = []
    for whose, name, text in sources():
        sizes[whose] += len(text)
        for one in finder.find(text):
            kinds.setdefault(whose, Counter())[one.kind] += 1
            line = text.count(b"\n", 0, one.start) + 1
            where.append(
                f"  {name}:{line}: {one.kind}: {text[one.start : one.start + 24].decode('utf-8', 'replace')!r}"
            )
    for whose, size in sizes.items():
        told = kinds.get(whose, Counter())
        say(f"alarms in {whose}, {size / 1e6:.1f} MB: {sum(told.values())} {dict(told) or ''}")
    if "--where" in sys.argv:
        say("\n".join(where))


def main() -> None:
    finder = Finder()
    cost(finder)
    recall(finder)
    alarms(finder)


if __name__ == "__main__":
    main()
