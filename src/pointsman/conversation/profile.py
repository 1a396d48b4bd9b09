"""What one target (backend + model) can take: capabilities as plain values. Renderers ask these, never who the vendor is.

Not here: where the values come from (providers/profiles.py, rows by model pattern).
"""

from __future__ import annotations

import msgspec


class Profile(msgspec.Struct, frozen=True, cache_hash=True):
    """Defaults are those of a modest OpenAI-compatible local server.

    backend, model: the target. protocol: a Protocol value, the one it is spoken to in.
    context_window: tokens, None = not known.

    Sizes: max_tokens_field: Chat's name for the output limit. max_tokens_required: the protocol
    wants a limit; max_tokens_default: sent where it does and the client gave none.
    max_tokens_limit: most that the model gives, None = not known. min_output_tokens: smaller limits
    are raised to it.
    Sampling: sampling: any | one_of (temperature or top_p, not both) | default_only (dropped).
    temperature_max: larger ones are clamped. top_k, penalties (seed, penalties, logit_bias): taken.
    min_p, repeat_penalty (the names that it may have), template_kwargs: what a rule may set beside the
    protocol's own fields, taken.
    stop: how many stop sequences it takes (0 = the gateway enforces them). blank_stops: those of
    white space alone too.
    Turns: developer_role: system text goes under `developer`. system_text: system as one string,
    only at the front; later system messages go into user text. mid_system: system messages may
    stand in the middle. merge_turns: neighbours of one role are merged. turns: any | strict (the
    user begins, every text says something, no turn ends in thinking or in white space).
    null_content: an assistant turn of calls only may have content null. prefill: the last message
    may be the assistant's; continues: it goes on with that message instead of answering anew.
    Content: image_urls: it fetches them itself. images, documents: it takes them at all.
    image_types, document_types: media types it takes, () = any. image_detail: it takes OpenAI's
    hint. cache_marks: it takes marks on parts; cache_marks_max: so many at most, the longer-lived
    before the shorter, None = any number in any order. cache_ttls: the times it knows, shortest
    first, the first without being asked. auto_cache: ask for automatic caching where tools are used.
    Reasoning: reasoning: none (nothing is sent) | effort (an effort word) | budget (enabled +
    tokens) | adaptive (adaptive + effort) | template (chat_template_kwargs with template_flag).
    thinking_field: its protocol has a thinking object beside the effort. efforts: words it knows,
    weakest first. thinking_off: `disabled` is taken. between_tools: likewise. omits_thinking:
    without a display it sends no text. replay_as: Chat's field for earlier reasoning in history,
    None = it is left out. no_reasoning: what stands there on turns that had none, where a backend
    refuses them without; "" = nothing. unsigned_call: a signature that its calls need and other
    models' calls lack, "" = none. summaries, encrypted: Responses' reasoning.summary and include are
    understood. begins_inside: its answers may begin inside their reasoning, without an opening tag
    (the template has it in the prompt), so that text waits for the closing one.
    Tools: tool_name_max. tool_id: any | short (letters, digits, _ and -, up to 64) | forty (up to 40) |
    nine (exactly nine letters and digits). forced_tools: any/tool are taken. custom_tools, namespaces: taken as
    they are. server_tools: types it runs, without version suffix. strict_tools: it knows `strict`;
    strict_tools_max: of so many tools, None = of all. max_tool_calls: all | searches (only its own
    searches can be limited). safe_schemas: schemas are reduced to what grammar compilers stand.
    Output: structured: json_schema is taken. json_object: taken; json_word: only where the prompt
    says JSON. schema_subset: full | required
    (strict where every property is required) | closed (constraints are moved into descriptions).
    files: whose file ids it knows (as in Image.file_of). verbosity: taken. n, logprobs, metadata,
    store: taken. safety_id: the end user's id goes under `safety_identifier` (else `user`).
    user_max: its longest id in characters, None = any. service_tiers: values it knows.
    State: keeps_responses: clients may refer to what it answered before. threads: it keeps
    conversations (Messages' `thread`).
    stream_usage: stream_options.include_usage is understood. stream_long: long answers must be
    asked for as a stream; stream_all: all of them. silent_end: its streams end without saying why.
    """

    backend: str = ""
    model: str = ""
    protocol: str = ""
    context_window: int | None = None
    max_tokens_field: str = "max_tokens"
    max_tokens_required: bool = False
    max_tokens_default: int = 32_000
    max_tokens_limit: int | None = None
    min_output_tokens: int = 1
    sampling: str = "any"
    temperature_max: float = 2.0
    top_k: bool = True
    penalties: bool = True
    min_p: bool = True
    repeat_penalty: tuple[str, ...] = ("repetition_penalty",)
    template_kwargs: bool = True
    stop: int = 4
    blank_stops: bool = True
    developer_role: bool = False
    system_text: bool = True
    mid_system: bool = False
    merge_turns: bool = True
    turns: str = "any"
    null_content: bool = False
    prefill: bool = True
    continues: bool = False
    images: bool = True
    documents: bool = True
    image_urls: bool = True
    image_types: tuple[str, ...] = ()
    image_detail: bool = False
    document_types: tuple[str, ...] = ()
    cache_marks: bool = False
    cache_marks_max: int | None = None
    cache_ttls: tuple[str, ...] = ()
    auto_cache: bool = False
    reasoning: str = "none"
    thinking_field: bool = False
    template_flag: str = "enable_thinking"
    efforts: tuple[str, ...] = ("low", "medium", "high")
    thinking_off: bool = True
    between_tools: bool = False
    omits_thinking: bool = False
    replay_as: str | None = "reasoning_content"
    no_reasoning: str = ""
    unsigned_call: str = ""
    summaries: bool = False
    encrypted: bool = False
    begins_inside: bool = False
    tool_name_max: int = 64
    tool_id: str = "short"
    forced_tools: bool = True
    custom_tools: bool = False
    namespaces: bool = False
    server_tools: frozenset[str] = frozenset()
    strict_tools: bool = True
    strict_tools_max: int | None = None
    max_tool_calls: str = "all"
    safe_schemas: bool = False
    structured: bool = True
    json_object: bool = True
    json_word: bool = False
    schema_subset: str = "required"
    files: str = ""
    verbosity: bool = False
    n: bool = True
    logprobs: bool = True
    metadata: bool = False
    store: bool = False
    safety_id: bool = False
    user_max: int | None = None
    service_tiers: tuple[str, ...] = ()
    stream_usage: bool = True
    stream_long: bool = False
    stream_all: bool = False
    silent_end: bool = False
    keeps_responses: bool = False
    threads: bool = False
