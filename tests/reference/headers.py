"""docs/reference/headers.md: headers that are read, given, passed on and kept back, from the sets that say so; what each means
stands here, and test_headers.py finds what is missing."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.dialects.headers import meant, private_headers
from pointsman.dialects.registry import DIALECTS, session_headers, varying_headers
from pointsman.kinds import AuthScheme
from pointsman.providers.auth import auth_line
from pointsman.providers.catalog import CATALOG
from pointsman.secret import SecretBytes
from pointsman.wire.http1 import NEVER_CLIENT, NEVER_CLIENT_PREFIXES, NEVER_UPSTREAM, NEVER_UPSTREAM_PREFIXES
from pointsman.wire.shield import HEADERS as SHIELD

READ = {
    "x-pointsman-no-fallback": "`1`: the first target's answer, whatever it is; sent once at most",
    "x-pointsman-strict": "`1`: what would be [lost or changed](fidelity.md) is refused with a 400",
    "authorization": "`Bearer` and a client key; or your own provider login, where a rule has `--forward-auth`",
    "x-api-key": "the same",
    "cache-control": "with [kept answers](../cache.md): `no-cache` (asked anew, kept), `no-store`, `max-age=N`",
    "idempotency-key": "a whole request that comes again with it within 10 minutes gets the [same answer](../reliability.md)",
    "x-pointsman-near": "dropped, whatever it says: the gateway's own word to its [pages](../web.md#connect) that this computer asks",
    "traceparent": "its trace has this request's [spans](../telemetry.md)",
    "user-agent": "which program asks: `client` in [usage](../usage.md) and in [conditions](../conditions.md)",
    "origin": "[web pages](../reliability-promises.md#web-pages): let in or refused; never passed on",
    "sec-fetch-site": "the same",
    "access-control-request-headers": "a browser asks first, and may",
    "access-control-request-method": "the same",
    "access-control-request-private-network": "the same",
    "access-control-request-local-network": "the same",
    "accept": "of `/ui`, whether a browser asks; of others passed on",
    "content-type": "of forms, where their parts begin; passed on in its own protocol",
    "content-disposition": "of a form's part: its name, and a file's",
    "content-transfer-encoding": "of a form's part",
    "content-encoding": "`gzip`, `deflate`, `zstd`, ...: the body is unpacked, and travels plain",
    "upgrade": "WebSockets are refused (426); any other is passed over",
    "host": "names that are [let in](settings.md): against pages that guess addresses",
    "connection": "`close`, `keep-alive`; names in it go nowhere else",
    "expect": "`100-continue`, or a 417",
    "content-length": "how long the body is",
    "transfer-encoding": "`chunked`",
}
"""Of requests for models, by the data plane."""
GIVEN = {
    "x-request-id": "our id of the request, under OpenAI's name: `pointsman usage --request ID`",
    "request-id": "the same, under Anthropic's",
    "x-upstream-request-id": "the backend's own",
    "x-pointsman-target": "who answered: `openai:gpt-4o-mini`, `local/box:qwen3`; `node/n1/box:qwen3` of another node's backend",
    "x-pointsman-attempts": "how often it was tried: as many times may it have reached a backend, also where a kept connection"
    " turned out to be dead and it was sent out again",
    "x-pointsman-fallback": "why the last target before was left: `connect`, `timeout`, `throttled`, `upstream_error`, `empty`,"
    " `malformed`, `auth`, `budget`, `stuck`; usage and the pages say more exactly of an `upstream_error` that the rule leaves to"
    " it: `context`, `refusal`, `ability`, `miss`",
    "x-pointsman-stuck": "why the conversation is the next target's now, and for how many turns ([conversations](../conversations.md))",
    "x-pointsman-cost-usd": "what a whole answer cost, where that is known ([prices](../prices.md)); of a local one also a stream, 0",
    "x-pointsman-cache": "of a rule that [keeps answers](../cache.md): `hit`, `miss`, or `no` (not looked up)",
    "x-pointsman-warnings": "[what was lost](fidelity.md), `code:path` with commas between",
    "x-pointsman-error": "of an error of the gateway's own its name, which [errors](errors.md) explains",
    "x-pointsman-customs": "which credentials [customs](../customs.md) found where, and what became of them",
    "retry-after": "seconds, where it is worth to wait",
    "x-should-retry": "`false` where the same request would end the same way, and the backend has not said",
    "x-accel-buffering": "`no`, of streams: who stands between must not keep them back",
    "cache-control": "`no-cache`, of streams whose backend says nothing",
    "content-type": "of the answer; made here where it is translated",
    "content-length": "of a whole answer",
    "transfer-encoding": "`chunked`, of one whose length nobody knows",
    "connection": "`close` before the connection ends; `keep-alive` to HTTP/1.0",
    "allow": "of a 405: the methods that are there",
    "upgrade": "of a 426",
    "accept-encoding": "of a 415: the codings that are known",
    "location": "of `/` for a browser: the pages",
    "refresh": "of an error page: when it asks again",
    "access-control-allow-origin": "to pages that are let in",
    "access-control-allow-credentials": "to those that are named, not by `*`",
    "access-control-allow-headers": "as the page asked",
    "access-control-allow-methods": "as the page asked",
    "access-control-expose-headers": "all of ours, so that a page can read them",
    "access-control-max-age": "600 s",
    "vary": "of what differs by origin",
    "hx-retarget": "of an error page, for the pages' own script",
    "hx-reswap": "the same",
    "hx-reselect": "the same",
}
"""In answers, beside those of the backend."""
OF_CHANGES = {
    "x-pointsman-behind": "[nodes](../scale.md) that live and do not serve by the change yet, with commas between",
}
"""In answers of the admin API."""
SENT = {
    "host": "the backend's",
    "accept-encoding": "`identity`: answers are read",
    "content-length": "of the body as it goes out",
    "content-type": "`application/json` where it is translated, else the client's",
    "accept": "`application/json` of the gateway's own questions (lists of models, probes)",
    "user-agent": "of those; a client's own travels",
    "proxy-authorization": "to a proxy that has a login in its address",
}
"""To backends, beside those of the client and the key."""


def page() -> str:
    private, beginnings = private_headers()
    lines = [
        "# Headers",
        "",
        "Made from the code by `make docs`. Of requests for models; the pages and the admin API have some of their own. Names are",
        "the same in any case.",
        "",
        "## What a request may say",
        "",
        *_table(READ),
        "",
        f"Sessions of agents are known by {_names(session_headers())}. What changes an answer, so that two requests that differ",
        f"in it are not the same: {_names(varying_headers())}.",
        "",
        "## What an answer says",
        "",
        "Beside what the backend said:",
        "",
        *_table(GIVEN),
        "",
        "Of the admin API, where a change was made:",
        "",
        *_table(OF_CHANGES),
        "",
        "What the gateway answers by itself where a browser may look (`/ui`, `/`, `/metrics`, errors there) also has",
        f"{_names(name for name, _ in SHIELD)}.",
        "",
        "## What a backend gets",
        "",
        f"The client's own headers, but never {_names(NEVER_UPSTREAM)}, nothing that begins with {_names(NEVER_UPSTREAM_PREFIXES)}, and none that",
        "holds a client key. Instead, or besides:",
        "",
        *_table(SENT | keys()),
        "",
        f"A backend of another protocol does not get {_names(private)} either, nor what begins with {_names(beginnings)}.",
        "",
        "## What a client gets of a backend's answer",
        "",
        f"In its own protocol everything but {_names(NEVER_CLIENT)}, and what begins with {_names(NEVER_CLIENT_PREFIXES)}; nor one that holds the",
        f"stored key. Translated, these alone: {_names(meant())}; rate limits get the names, and times of reset the form, of the",
        "client's protocol:",
        "",
        *_rate_limits(),
    ]
    return "\n".join(lines) + "\n"


def _table(rows: dict[str, str]) -> list[str]:
    return ["| header | says |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in rows.items())]


def _names(names: Iterable[bytes | str]) -> str:
    texts = sorted(one.decode() if isinstance(one, bytes) else one for one in names)
    return ", ".join(f"`{text}`" for text in texts)


def keys() -> dict[str, str]:
    """By which header each provider gets its key, and what else it is always sent."""
    found: dict[str, list[str]] = {}
    more = {}
    for name, provider in CATALOG.items():
        for header, value in provider.headers:
            more[header] = f"`{value}` to {name}, where the client says none"
    for scheme in AuthScheme:
        line = auth_line(scheme, SecretBytes(b"KEY")).decode()
        if line:
            header, _, value = line.strip().partition(": ")
            found.setdefault(header, []).append(f"`{value}`")
    return {name: f"the stored key: {', '.join(values)}" for name, values in found.items()} | more


def _rate_limits() -> list[str]:
    """A column for all protocols that have the same names."""
    columns: dict[tuple[tuple[tuple[str, str], bytes], ...], list[str]] = {}
    for dialect in DIALECTS.values():
        if (limits := dialect.endpoint.rate_limits) is not None:
            columns.setdefault(tuple(sorted(limits.names.items())), []).append(dialect.protocol.value)
    lines = [
        "| | " + " | ".join(", ".join(names) for names in columns.values()) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for what, unit in sorted({meaning for column in columns for meaning, _ in column}):
        cells = (f"`{dict(column)[what, unit].decode()}`" for column in columns)
        lines.append(f"| {what} of {unit} | {' | '.join(cells)} |")
    return lines
