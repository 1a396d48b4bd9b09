"""How servers say in words what their status does not: that they do not know a path, that the account is used up,
that a key is refused, that they lack the model or still load it, that this one request is what fails. Rows.

Not here: what follows from it.
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
    Phrases((425,)),  # "too early" is nothing else
)

_PATHS = (Phrases((404,), (*_NO_SUCH_PATH, b"<html", b"<!doctype"), within=500),)
_LACKING = (
    # Ollama: "model 'x' not found"; vLLM: "The model `x` does not exist."; LM Studio: "No models loaded."; Anthropic:
    # "model: x"; OpenRouter: "No endpoints found for x."
    Phrases((404,), (b"model", b"no endpoints found"), within=500),
    Phrases(
        (400,),
        (
            # LM Studio, whatever goes wrong while it loads or swaps a model.
            b"failed to load model",
            b"model unloaded",
            b"model was unloaded",
            b"model reloaded",
            b"model has crashed",
            b"no models loaded",
            b"model is not loaded",
            # DeepSeek: "Model Not Exist"; Mistral: "Invalid model: x"; LiteLLM: "Invalid model name passed in model=x".
            b"model not found",
            b"model not exist",
            b"invalid model:",
            b"invalid model name",
            b"unknown model",
        ),
        within=28,  # where it begins: further on stands what was asked
    ),
)
LACKS_MODEL_CODES = frozenset({"model_not_found", "model_not_loaded", "invalid_model"})
_BARE = (Phrases((404,), (b'{"error": "', b'{"error":"'), within=16),)


def lacks_model(status: int, message: bytes, body: bytes, *, local: bool) -> bool:
    """Does it lack the model, so that another target may serve (docs/protocols/errors.md#a-server-without-the-model)?

    message: the error's own; a body may quote the request. local: mlx_lm answers 404 for whatever goes wrong there, with
    a bare string under `error`; of a path that it does not know it says "Not Found" in plain words."""
    if says(_PATHS, status, message):
        return False
    bare = local and says(_BARE, status, body.lstrip()) and message.strip().lower() != b"not found"
    return bare or says(_LACKING, status, message)


OF_THIS_REQUEST = (
    Phrases(
        (500, 502),
        (
            # llama.cpp of a picture or sound for a model without eyes or ears, and with "hint: ... mmproj".
            b"input is not supported",
            b"mmproj",
            b"does not support image",
            b"does not support audio",
            b"not a multimodal model",
            # llama.cpp, of what it reads back: "The model produced output that does not match the expected ... format",
            # "Failed to parse input at pos 0", "Failed to initialize samplers", "failed to parse grammar".
            b"output that does not match",
            b"does not match its grammar",
            b"failed to parse input",
            b"failed to parse grammar",
            b"failed to initialize samplers",
            b"failed to parse messages",
            b"failed to parse tools",
            b"json schema conversion failed",
            b"unrecognized schema",
            # Templates: llama.cpp's and vLLM's are Jinja, Ollama's are Go's ("template: :3:12: executing ...").
            b"jinja",
            b"chat template",
            b"template: :",
            b"failed to apply template",
            b"roles must alternate",
            # Pictures that cannot be opened.
            b"failed to decode image",
            b"failed to load image",
            b"failed to process image",
            b"cannot identify image file",
            b"invalid image",
            b"failed to tokenize",
        ),
        within=1000,
    ),
)
"""A server's fault by its status, and by its words this request's: it would fail the same way again, and others do not
(docs/protocols/errors.md#faults-of-one-request). Asked of the error's own message."""


def says(rows: tuple[Phrases, ...], status: int, body: bytes) -> bool:
    """Does a whole answer say so?"""
    text = body.lower()
    return any(one.fits(status, text) for one in rows)
