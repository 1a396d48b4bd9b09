"""docs/reference/providers.md: the rows of `providers/known.py`."""

from __future__ import annotations

import re
from pathlib import Path

from pointsman.kinds import Protocol
from pointsman.providers.catalog import CATALOG
from pointsman.providers.known import KNOWN, KnownProvider

_PAGES = Path(__file__).parents[2] / "docs" / "how-to" / "providers"
_SPOKEN = {
    Protocol.OPENAI_CHAT: "Chat",
    Protocol.OPENAI_RESPONSES: "Responses",
    Protocol.ANTHROPIC_MESSAGES: "Messages",
    Protocol.COMPLETIONS: "Completions",
    Protocol.EMBEDDINGS: "Embeddings",
}
_HEAD = """\
# Providers

Made from `providers/known.py` by `make docs`; the form of the page Backends fills itself in from the same rows. A provider that is not
here is added by its address in the same way. What is in capitals is yours to fill in. Protocols that a provider does not speak are
translated. The key is asked for: `pointsman credential set` reads it from a prompt, or from standard input.

The addresses are those that public code and documents gave in November 2026; none was asked. A title that is a link has a page with what goes
wrong there.

| provider | `pointsman credential set` | speaks | key |
|---|---|---|---|
"""


def page() -> str:
    return _HEAD + "".join(f"{_row(one)}\n" for one in KNOWN)


def _row(one: KnownProvider) -> str:
    words = [f"{one.type}/{one.name}".rstrip("/")]
    if one.base_url != CATALOG[one.type].base_url:
        words += ["--base-url", one.base_url]
    if one.auth is not None:
        words += ["--auth", one.auth]
    spoken = ", ".join(_SPOKEN[protocol] for protocol in one.protocols)
    return f"| {_title(one)} | `{' '.join(words)}` | {spoken} | {one.key_at} |"


def _title(one: KnownProvider) -> str:
    """With a link to the page that sets up its address."""
    like = re.sub(r"[A-Z]{3,}", "[a-z0-9-]+", re.escape(one.base_url))
    name = re.escape(f"{one.type}/{one.name}".rstrip("/"))
    set_up = re.compile(
        rf"^\$? ?pointsman credential set {name}(?: --base-url {like}(?: .*)?)?$", re.MULTILINE
    )
    for path in sorted(_PAGES.glob("*.md")):
        if set_up.search(path.read_text(encoding="utf-8")):
            return f"[{one.title}](../how-to/providers/{path.name})"
    return one.title
