"""What Ollama's requests for text say beside the conversation: `options`, `format`, `think`, and what only Ollama itself
could do (docs/protocols/ollama.md#fields). Pure."""

from __future__ import annotations

from typing import Any

from ...conversation.notes import Notes
from ...conversation.request import OutputFormat, Request, ThinkingMode
from ..fields import Fields, bad

NAMES = {
    "max_tokens": "options.num_predict",
    "temperature": "options.temperature",
    "top_p": "options.top_p",
    "top_k": "options.top_k",
    "seed": "options.seed",
    "stop": "options.stop",
    "frequency_penalty": "options.frequency_penalty",
    "presence_penalty": "options.presence_penalty",
    "effort": "think",
    "thinking": "think",
    "summary": "think",
    "Tool.schema": "parameters",
}
_SAMPLING: dict[str, tuple[Any, ...]] = {
    "min_p": (0,),
    "typical_p": (1,),
    "tfs_z": (1,),
    "repeat_penalty": (1,),
    "repeat_last_n": (0,),
    "mirostat": (0,),
    "mirostat_tau": (),
    "mirostat_eta": (),
    "penalize_newline": (),
    "num_keep": (0,),
}
"""Name -> the values with which it does nothing."""
_LOADING = (
    "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "numa", "low_vram", "f16_kv", "logits_all", "vocab_only",
    "use_mmap", "use_mlock", "embedding_only", "draft_num_predict",
)  # fmt: skip
"""How a model is loaded (`api.Runner`)."""
_EFFORTS = ("low", "medium", "high", "max")


def read_settings(request: Request, fields: Fields, notes: Notes) -> None:
    """All but messages, tools and prompt."""
    stream = fields.flag("stream")
    request.stream = (
        True if stream is None else stream
    )  # "stream: if false the response will be ... a single object"
    if fields.empty:
        return
    options = fields.object("options")
    if options is not None:
        _options(request, options, notes)
    _think(request, fields)
    request.format = _format(fields)
    request.logprobs = fields.flag("logprobs")
    request.top_logprobs = fields.integer("top_logprobs", 0, 20) or None
    if fields.any("keep_alive") is not None:
        notes.drop("keep_alive", "how long a model stays in memory is its server's own affair")
    for name in ("truncate", "shift"):
        if fields.flag(name) is not None:
            notes.drop(name, "what does not fit is judged by the backend")


def refuse_template(fields: Fields, notes: Notes) -> None:
    """Another prompt than the model was made for changes what its answer is."""
    if fields.text("template"):
        notes.refuse("template", "the backend fills in the model's own template; leave it out.")


def _options(request: Request, options: Fields, notes: Notes) -> None:
    most = options.integer("num_predict")
    request.max_tokens = (
        most if most is not None and most > 0 else None
    )  # -1: no limit; -2: up to the window's end
    request.temperature = options.number("temperature", 0)
    request.top_p = options.number("top_p", 0, 1)
    top_k = options.integer("top_k")
    request.top_k = top_k if top_k is not None and top_k > 0 else None
    if top_k is not None and top_k <= 0:
        notes.drop(options.at("top_k"), "that all tokens may be chosen cannot be said to every backend")
    request.seed = options.integer("seed")
    request.frequency_penalty = options.number("frequency_penalty", -2, 2)
    request.presence_penalty = options.number("presence_penalty", -2, 2)
    request.stop = _stop(options)
    for name, nothing in _SAMPLING.items():
        value = options.any(name)
        if value is not None and value not in nothing:
            notes.drop(options.at(name))
    for name in _LOADING:
        if options.any(name) is not None:
            notes.drop(options.at(name), "how a model is loaded is its server's own affair")
    options.close(notes)


def _stop(options: Fields) -> tuple[str, ...]:
    value = options.any("stop")
    stops = [value] if isinstance(value, str) else value
    if stops is None:
        return ()
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        bad(options.at("stop"), "must be a list of strings.")
    return tuple(one for one in stops if one)


def _think(request: Request, fields: Fields) -> None:
    """`think`: true, false, or a word for how hard (api/types.go, `ThinkValue`)."""
    think = fields.any("think")
    if think is None:
        return
    if think is False:
        request.effort = "none"
        return
    if think is not True and think not in _EFFORTS:
        bad("think", f"must be true, false, {', '.join(_EFFORTS)}.")
    request.summary = "auto"  # who asks for thinking is shown it
    if think is True:
        request.thinking = ThinkingMode("adaptive")
    else:
        request.effort = str(think)


def _format(fields: Fields) -> OutputFormat | None:
    """ "json", or a JSON Schema, by which the answer is always held (grammar)."""
    found = fields.any("format")
    if found is None or found == "":
        return None
    if found == "json":
        return OutputFormat("json_object")
    if not isinstance(found, dict):
        bad("format", 'must be "json" or a JSON Schema.')
    return OutputFormat("json_schema", schema=found, strict=True)
