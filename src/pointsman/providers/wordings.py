"""How servers say in words what their status does not: that they do not know a path, that the account is used up,
that a key is refused, that the model is still being loaded. Rows. Not here: what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass

_LOOKED_AT = 4096
"""Bytes of a body that are searched."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """statuses: of the answer. says: one of these stands in its first `within` bytes, in lower case.
    says_not: what shows that it is about something else."""

    statuses: tuple[int, ...]
    says: tuple[bytes, ...] = (b"",)
    says_not: bytes | None = None
    within: int = _LOOKED_AT

    def fits(self, status: int, text: bytes) -> bool:
        """Is the answer one of these? text: its body in lower case."""
        start = text[: self.within]
        return (
            status in self.statuses
            and any(words in start for words in self.says)
            and (self.says_not is None or self.says_not not in text)
        )


_NO_SUCH_PATH = (
    b"invalid url (",  # OpenAI, and what is built like it: "Invalid URL (POST /v1/responses)"
    b"unknown request url",  # Groq
    b"unrecognized request url",
    b"unknown_url",
    b"no route matched",  # Kong, before Mistral and others
    b"route post",  # Fastify: "Route POST:/v1/responses not found"
    b"cannot post /",  # Express
    b"unexpected endpoint",  # LM Studio
    b"unknown endpoint",
    b"unsupported endpoint",
    b"endpoint not found",
    b"endpoint not supported",
)
"""What no server says of anything but the path, whatever its status is."""

_NO_SUCH_API = tuple(
    said
    for api in (b"responses", b"messages", b"anthropic messages")
    for said in (
        b"does not support %b api" % api,
        b"does not support the %b api" % api,
        b"%b api is not supported" % api,
        b"/v1/%b is not supported" % api,
    )
)

UNKNOWN_PATH = (
    # By the status alone; but "the model was not found" is a 404 of a path that is known.
    Phrases((404, 405, 410, 501), says_not=b"model"),
    # A website's own page may have any word in it, and no API answers with one.
    Phrases((404, 405, 410, 501), (b"<!doctype html", b"<html"), within=500),
    Phrases((400, 403, 404, 405, 410, 501), _NO_SUCH_PATH, within=500),
    # vLLM, of a model that it serves for something else: "The model does not support Responses API".
    Phrases((400, 404, 501), _NO_SUCH_API, within=500),
    # new-api and one-api, of a provider that they cannot speak this protocol to.
    Phrases((400, 500), (b'"not implemented"', b"not_implemented"), within=500),
    # Amazon's API gateway, of a path that it does not have, whatever key is sent.
    Phrases((403,), (b"missing authentication token",), within=500),
    # LM Studio: "Unexpected endpoint or method. (POST /v1/messages). Returning 200 anyway".
    Phrases((200,), (b"endpoint",), within=500),
    # Z.ai: {"code":500,"msg":"404 NOT_FOUND","success":false} with status 200.
    Phrases((200, 500), (b"404 not_found", b"404 not found"), within=500),
)
"""So that a protocol which was tried there can be translated instead
(docs/protocols/backends.md#what-is-tried). Of a 200: one that holds an error."""

MAYBE_UNKNOWN_PATH = (*UNKNOWN_PATH, Phrases((404, 405, 410, 501)))
"""Also those that speak of the model where they mean the path. Translated, it is seen which; a path counts as
unknown only when that has served."""

SPENT = (
    Phrases((429,), (b"insufficient_quota", b"credit balance", b"billing", b"spend limit", b"usage limit")),
)
"""Waiting a second does not help: someone must pay, or wait for the next period."""

REFUSED_KEY = (
    # Gemini ("API key not valid.", "API Key not found.", "API key expired."); xAI; Anthropic, of an account without money.
    Phrases(
        (400,),
        (
            b"api key not valid",
            b"api key not found",
            b"api key expired",
            b"incorrect api key provided",
            b"your credit balance is too low",
        ),
        within=32,
    ),
)
"""A key that is refused, or whose account cannot pay, by vendors whose status for that is a bad request's
(docs/protocols/errors.md#a-refused-key-of-ours). Asked of the error's own message: a body may quote the request."""

LOADING = (
    # llama.cpp and others: alive, and ready soon.
    Phrases((503,), (b"loading model", b"model is loading", b"model is currently loading")),
)


def says(rows: tuple[Phrases, ...], status: int, body: bytes) -> bool:
    """Does a whole answer say so?"""
    text = body.lower()
    return any(one.fits(status, text) for one in rows)
