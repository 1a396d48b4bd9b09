"""mlx-lm under our host: its generation thread, batches and prompt cache are used as they are; its HTTP server is not.

Of `mlx_lm.server` this takes ResponseGenerator (continuous batching, prompt cache), ModelProvider and the text state
machine (reasoning, calls). Replaced, and why (mlx-lm 0.32.2):

- its handler: HTTP/1.0; loads (and downloads) whatever model a request names; cuts answers at 512 tokens; lets web pages
  in; fetches pictures from the network; answers 404 when anything fails; drops calls that it cannot read.
- waiting for answers: a whole answer, and any while its input is read, went on after the client had left.
- stop sequences: found by tokens, so that one which the model writes with other tokens was missed, and text after it seen.
- health: 200 before the model is loaded, and the process stays when its generation thread has died.

Not here: HTTP (wire.py), what a request may say (asked.py). The only module that imports mlx-lm.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any, NoReturn, Protocol

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import below: nothing is fetched by who only runs a model
os.environ["TRANSFORMERS_OFFLINE"] = "1"

from mlx_lm.generate import DEFAULT_QUANTIZED_KV_START, TextStateMachine
from mlx_lm.models.cache import LRUPromptCache
from mlx_lm.server import (
    CompletionRequest,
    GenerationArguments,
    GenerationContext,
    LogitsProcessorArguments,
    ModelDescription,
    ModelProvider,
    Response,
    ResponseGenerator,
    SamplingArguments,
    TimeBudget,
)

from .asked import HostRequest, ModelAbilities
from .refusal import ClientLeft, Refused, too_long
from .told import HostAnswer, arguments_of
from .wire import HostExchange

_LOOK_SECONDS = 0.1
_TURN_SECONDS = 0.1
"""How often a waiting client is looked for; for how long tokens are made before newcomers and leavers are looked at."""
_CACHED_INPUTS = 16
_LEAST_CACHE = 64 * 2**20
_SAMPLING = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
_THE_MODEL = ModelDescription("default_model", "default_model", None)
"""As mlx-lm calls the one that it was started with: a request never chooses another."""


class _Home(Protocol):
    """The host that this engine is in, as far as it knows it."""

    options: argparse.Namespace
    window: int
    folder: Path
    token_bytes: int
    dead: str | None

    def loaded(self, engine: MlxEngine) -> None: ...
    def died(self, error: BaseException) -> NoReturn: ...


class _Words(Queue[Any]):
    """What the generation thread says of one request: a context, pairs of progress, tokens, None at the end, or an error."""

    def __init__(self) -> None:
        super().__init__()
        self.left = False
        self.alone = False
        self._context: Any = None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Raises ClientLeft in the middle of reading an input of a request that is served alone: nothing else ends it."""
        if isinstance(item, GenerationContext):
            self._context = item
            if self.left:
                item.stop()
        if self.left and self.alone and isinstance(item, tuple):
            raise ClientLeft
        super().put(item, block, timeout)

    def leave(self) -> None:
        """Nobody waits any more: work for it ends at the next token or step of reading."""
        self.left = True
        if self._context is not None:
            self._context.stop()


class _Provider(ModelProvider):
    def __init__(self, options: argparse.Namespace, engine: MlxEngine) -> None:
        super().__init__(options)
        self._engine = engine

    def load_default(self) -> None:
        super().load_default()
        self._engine.is_loaded(self)


class _Generator(ResponseGenerator):
    def __init__(self, provider: ModelProvider, cache: Any, engine: MlxEngine) -> None:
        self.engine = engine
        super().__init__(provider, cache)
        self._time_budget = TimeBudget(_TURN_SECONDS)

    def _run_generate(self) -> None:
        try:
            self._generate()
        except BaseException as error:  # noqa: BLE001 - it is told, and ends the process
            traceback.print_exc()
            self._generation_failed = True
            self.engine.host.died(error)

    def _next_request(self, timeout: float | None = None) -> Any:
        request = super()._next_request(timeout)
        return None if request is not None and request[0].left else request

    def _serve_single(self, request: Any, stream: Any) -> None:
        request[0].alone = True
        super()._serve_single(request, stream)

    def _tokenize(self, tokenizer: Any, request: Any, args: Any) -> Any:
        with self.engine.tokenizing:
            found = super()._tokenize(tokenizer, request, args)
        window, used = self.engine.host.window, len(found[0])
        if used >= window:
            raise too_long(used, window)
        if used == 0:
            raise Refused("the input has no tokens", param="messages")
        args.max_tokens = min(args.max_tokens, window - used)
        return found


class MlxEngine:
    """The model of this process. abilities: known once it is loaded."""

    abilities: ModelAbilities

    def __init__(self, host: _Home) -> None:
        self.host = host
        self.tokenizing = threading.Lock()
        self._tokenizer: Any = None
        self._defaults = {**_SAMPLING, **_own_sampling(host)}
        options = _options_of(host)
        cache = LRUPromptCache(options.prompt_cache_size, options.prompt_cache_bytes)
        self._generator = _Generator(_Provider(options, self), cache, self)

    def is_loaded(self, provider: Any) -> None:
        tokenizer = self._tokenizer = provider.tokenizer
        self.abilities = ModelAbilities(
            pictures=provider.processor is not None,
            tools=bool(tokenizer.has_tool_calling),
            chat=bool(tokenizer.has_chat_template),
            vocabulary=len(tokenizer.get_vocab()),
        )
        self.host.loaded(self)

    def tokens(self, asked: HostRequest) -> list[int]:
        """Those of the input, as the model would read it. Raises Refused."""
        arguments = self._arguments(asked)
        try:
            with self.tokenizing:
                found = ResponseGenerator._tokenize(
                    self._generator, self._tokenizer, _request(asked), arguments
                )
        except Exception as error:
            raise _refusal(error) from error
        return list(found[0])

    def answer(self, asked: HostRequest, exchange: HostExchange) -> None:
        """Makes the answer and sends it. Raises Refused; ClientLeft when nobody waits any more: then no work is done
        for it after a step."""
        words = _Words()
        self._generator.requests.put((words, _request(asked), self._arguments(asked)))
        try:
            heard = self._hear(words, exchange)
            context = next(heard)
            answer = HostAnswer(asked, exchange)
            answer.begin()
            self._speak(context, heard, answer)
        finally:
            words.leave()

    def _hear(self, words: _Words, exchange: HostExchange) -> Iterator[Any]:
        """What is said, until its end. Raises Refused, ClientLeft."""
        looked = time.monotonic()
        while True:
            try:
                said = words.get(timeout=_LOOK_SECONDS)
            except Empty:
                said = ()
                if self.host.dead is not None:
                    raise Refused(self.host.dead, status=500, code="engine_dead") from None
            if said == () or time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                if exchange.client_left():
                    raise ClientLeft
            if said is None:
                return
            if isinstance(said, Exception):
                raise _refusal(said) from said
            if said != ():
                yield said

    def _speak(self, context: Any, heard: Iterator[Any], answer: HostAnswer) -> None:
        """Sorts text into what is said, thought and called; ends at a stop string."""
        counted, talk = answer.counted, _Talk(self._tokenizer, context, answer)
        counted.read = len(context.prompt)
        reason = "stop"
        for said in heard:
            if not isinstance(said, Response):
                answer.reading(*said)
                continue
            counted.made += 1
            counted.thought += talk.state == "reasoning"
            reason = said.finish_reason or "stop"
            talk.take(said.text)
            if answer.stopped or (answer.called and answer.asked.only_one_call):
                reason = "stop"
                break
        else:
            talk.end()
        counted.cached = max(0, context.prompt_cache_count)
        answer.end(reason)

    def _arguments(self, asked: HostRequest) -> Any:
        value = {**self._defaults, **asked.sampling}
        return GenerationArguments(
            model=_THE_MODEL,
            sampling=SamplingArguments(
                value["temperature"], value["top_p"], int(value["top_k"]), value["min_p"], 0.0, 0.1
            ),
            logits=LogitsProcessorArguments(
                dict(asked.bias) or None,
                value.get("repetition_penalty", 0.0), 20,
                value.get("presence_penalty", 0.0), 20,
                value.get("frequency_penalty", 0.0), 20,
            ),
            stop_words=[],
            max_tokens=asked.most or self.host.options.max_tokens or self.host.window,
            num_draft_tokens=0,
            logprobs=False,
            top_logprobs=-1,
            seed=asked.seed,
            chat_template_kwargs=dict(asked.template) or None,
        )  # fmt: skip


class _Talk:
    """Text of a model, sorted by its template's markers."""

    def __init__(self, tokenizer: Any, context: Any, answer: HostAnswer) -> None:
        self.state: str = context.initial_state
        self._machine = context.text_sm.make_state(self.state)
        self._context = context
        self._marks = (tokenizer.tool_call_start or "", tokenizer.tool_call_end or "")
        self._answer = answer
        self._call = ""

    def take(self, text: str) -> None:
        self._machine, segments = TextStateMachine.split(self._machine, text)
        for state, part in segments:
            self._one(state, part)

    def end(self) -> None:
        """What the markers held back, and a call that has no end mark: some templates write none."""
        self._machine, rest, state = TextStateMachine.flush(self._machine)
        self._one(state, rest)
        if self._call:
            self._close_call(ended=False)

    def _one(self, state: str, part: str) -> None:
        if self.state == "tool" and state != "tool" and self._call:
            self._close_call(ended=True)
        self.state = state
        if state == "tool":
            self._call += part
        elif state == "reasoning":
            self._answer.think(part)
        elif part:
            self._answer.say(part)

    def _close_call(self, *, ended: bool) -> None:
        """A call that cannot be read is said as the text that it is: nothing is lost."""
        text, self._call = self._call, ""
        try:
            calls = self._context.tool_parser(text, self._answer.asked.tools)
            calls = calls if isinstance(calls, list) else [calls]
            read = [(str(one["name"]), arguments_of(one["arguments"]), one.get("id")) for one in calls]
        except (ValueError, KeyError, TypeError, AttributeError, SyntaxError):
            self._answer.say(self._marks[0] + text + (self._marks[1] if ended else ""))
            return
        for name, arguments, given in read:
            self._answer.call(name, arguments, given if isinstance(given, str) else None)


def _request(asked: HostRequest) -> Any:
    """A copy of the messages: mlx-lm writes into them."""
    messages = json.loads(json.dumps(asked.messages)) if asked.messages is not None else []
    kind = "text" if asked.messages is None else "chat"
    return CompletionRequest(kind, asked.prompt, messages, asked.tools, None)


def _refusal(error: Exception) -> Refused:
    """What went wrong with one request, for its client. A template says in its own words what it does not take."""
    if isinstance(error, Refused):
        return error
    told = f"{type(error).__name__}: {error}"
    if (
        isinstance(error, ValueError | TypeError | KeyError | AttributeError)
        or "jinja2" in type(error).__module__
    ):
        return Refused(f"the model's template does not take these messages: {told}", param="messages")
    return Refused(f"the engine failed: {told}", status=500)


def _own_sampling(host: _Home) -> dict[str, float]:
    """What the model's makers recommend (generation_config.json), where they do."""
    try:
        found = json.loads((host.folder / "generation_config.json").read_bytes())
        return {name: found[name] for name in _SAMPLING if isinstance(found.get(name), int | float)}
    except (OSError, ValueError, AttributeError):
        return {}


def _options_of(host: _Home) -> argparse.Namespace:
    """What mlx-lm's classes read of its own command line."""
    own = host.options
    return argparse.Namespace(
        model=str(host.folder), adapter_path=None, draft_model=None, trust_remote_code=False, chat_template="",
        use_default_chat_template=False, pipeline=False, chat_template_args={}, decode_concurrency=own.parallel,
        prompt_concurrency=min(own.parallel, 4), prefill_step_size=own.prefill_step, prompt_cache_size=_CACHED_INPUTS,
        prompt_cache_bytes=own.cache_bytes or max(_LEAST_CACHE, host.token_bytes * host.window),
        kv_bits=None, kv_group_size=64, quantized_kv_start=DEFAULT_QUANTIZED_KV_START,
    )  # fmt: skip
