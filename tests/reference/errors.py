"""docs/reference/errors.md: every error that the gateway tells of itself, in the words of each protocol."""

from __future__ import annotations

import msgspec

from pointsman.dialects.vendor_errors import anthropic_error, openai_fields
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind

MEANINGS: dict[ErrorKind, tuple[str, str]] = {
    ErrorKind.BAD_REQUEST: (
        "The request cannot be read, or says what its protocol does not have: no JSON, a key that stands twice, a field of"
        " another type, no `model`.",
        "Mend what the message names (`param` says where). The same request fails again.",
    ),
    ErrorKind.UNAUTHORIZED: (
        "No client key came, or one that this gateway does not know, that has ended or was revoked.",
        "Send a key as `Authorization: Bearer pm-...` or `x-api-key: pm-...`; `pointsman key create` makes one.",
    ),
    ErrorKind.FORBIDDEN: (
        "The key may not use this model or path, the host name or web origin is not let in, or a wall (`local_only`) keeps"
        " the request here.",
        "`pointsman key list` says what a key may use; `pointsman host add`, `pointsman origin add`; docs/walls.md.",
    ),
    ErrorKind.NOT_FOUND: (
        "There is nothing at this path, or what is asked for by its id is not there (any more).",
        "Look at the path; the message names what is offered in its place.",
    ),
    ErrorKind.MODEL_NOT_FOUND: (
        "No rule has this model's name, or only rules whose conditions do not hold.",
        "`pointsman explain MODEL` says why; `pointsman mapping add MODEL --to BACKEND`.",
    ),
    ErrorKind.NOT_RECORDED: (
        "The rule leads to a recording (`replay/NAME`), and that has no answer to this request; the message says at which"
        " place the nearest one differs.",
        "Record it: `pointsman record NAME`; or let the next target have it: `--fallback-on miss` (docs/replay.md).",
    ),
    ErrorKind.METHOD_NOT_ALLOWED: (
        "The path is there, but not for this method; 426: WebSockets are not offered.",
        "Use the methods that the header `allow` names.",
    ),
    ErrorKind.CONFLICT: (
        "What is to be made is there already, has changed meanwhile, or is in use; an `Idempotency-Key` came with another"
        " request.",
        "Read what stands there now, then decide.",
    ),
    ErrorKind.TOO_LARGE: (
        "The request is larger than this gateway, its backend or the model's provider takes.",
        "Send less; `POINTSMAN_BODY_BYTES` ([settings](settings.md#limits)) says how much the gateway takes.",
    ),
    ErrorKind.INVALID: (
        "A value of the admin API or of a file cannot be: out of its bounds, or not together with another.",
        "Mend the field that `param` names.",
    ),
    ErrorKind.RATE_LIMITED: (
        "A rate of the client key is used up, or the backend says that one of its own is; no target was left that could"
        " serve.",
        "Wait for `retry-after` seconds; `pointsman key update --rate-requests`; a further target (`--fallback`).",
    ),
    ErrorKind.INTERNAL: (
        "The gateway itself failed. Nothing was told as an answer.",
        "Its log has the request id; `pointsman doctor`. Tell us.",
    ),
    ErrorKind.NOT_IMPLEMENTED: (
        "What is asked has no form in any protocol of the targets that are left.",
        "Call it in a protocol that the backend speaks, or lead the model to one that speaks this (`pointsman explain`).",
    ),
    ErrorKind.UPSTREAM_UNREACHABLE: (
        "No connection to the backend: nobody listens, the name is not found, TLS fails, or its address is one that a key"
        " must not go to.",
        "`pointsman local test NAME`, `pointsman credential test`; start the server; a further target (`--fallback`).",
    ),
    ErrorKind.UPSTREAM_ERROR: (
        "The backend answered with an error, with nothing, or with what is no answer of its protocol, and no target was left.",
        "The message says what it said; `pointsman explain MODEL`, `pointsman usage --request ID` show each attempt.",
    ),
    ErrorKind.UPSTREAM_TIMEOUT: (
        "The backend gave nothing for too long, before its first output or between two pieces.",
        "`POINTSMAN_FIRST_OUTPUT_LOCAL_SECONDS` and [others](settings.md#limits); a further target.",
    ),
    ErrorKind.UNAVAILABLE: (
        "The gateway cannot serve now: it starts, ends or is full, every target is passed over, or an engine does not start.",
        "Send it again after `retry-after` seconds; `pointsman doctor`.",
    ),
    ErrorKind.CONTEXT_LENGTH: (
        "The input does not fit the model's window.",
        "Send less (agents shorten their conversation by themselves), or `--fallback-on context` with a model that has a"
        " larger window behind it.",
    ),
    ErrorKind.BILLING: (
        "The budget of the client key, of its group or of the backend is spent, or the provider's account has no credit.",
        "`pointsman key list` shows what is left; raise the budget, or wait for its next period.",
    ),
    ErrorKind.OVERLOADED: (
        "The provider says that it has too much to do.",
        "Send it again later; a further target (`--fallback`).",
    ),
}
"""(what it means, what to do)."""


def page() -> str:
    lines = [
        "# Errors",
        "",
        "Made from the code by `make docs`. What the gateway tells of itself, in the protocol of who asked; the name stands in the",
        "header `x-pointsman-error`, and in `code` of the admin API. An error of a backend is passed on in its own words, without",
        "that header; `x-pointsman-target` says whose it is. What has begun as a stream ends with an error event of its protocol.",
        "",
    ]
    for kind in ErrorKind:
        error = PointsmanError(kind, "")
        told = openai_fields(error)
        code = f", code `{told['code']}`" if told["code"] else ""
        theirs = msgspec.json.decode(anthropic_error(error, "req"))["error"]["type"]
        means, does = MEANINGS[kind]
        lines += [
            f"## {kind.value}",
            "",
            f"Status {error.status}. OpenAI: type `{told['type']}`{code}; Anthropic: `{theirs}`.",
            "",
            means,
            "",
            f"**What to do**: {does}",
            "",
        ]
    return "\n".join(lines)
