"""No answers of any shape make a row raise: they come from whatever listens on a port."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.engines.engine import Answers, Reply
from pointsman.engines.registry import ENGINES, SIGNS, forwarding, identify, likely

from .asking import answers_of
from .doubles import double, serving

KEYS = sorted(
    [
        "data",
        "models",
        "id",
        "name",
        "model",
        "key",
        "owned_by",
        "meta",
        "n_ctx",
        "n_ctx_train",
        "architecture",
        "input_modalities",
        "capabilities",
        "state",
        "max_context_length",
        "loaded_context_length",
        "loaded_instances",
        "config",
        "context_length",
        "version",
        "pointsman",
        "result",
        "protected",
        "backends",
        "loaded_models",
        "total_slots",
        "default_generation_settings",
        "role",
        "status",
        "value",
        "detail",
        "error",
        "model_path",
        "is_generation",
        "remote_host",
        "remote_model",
        "deviceIdentifier",
        "parameters",
        "model_info",
        "object",
        "created",
        "vision",
        "llm",
        "type",
        "modalities",
        "chat_template_caps",
        "max_model_len",
        "lifecycle",
        "x.context_length",
    ]
)
WORDS = ["loaded", "router", "vllm", "llamacpp", "user", "ok", "KoboldCpp", "0.17.4", "", "x:cloud", "num_ctx 9\n", "vlm",
         "Unexpected endpoint or method.", "Method Not Allowed", "library", "embedding", "x" * 600]  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text(max_size=5)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=12,
)
PATHS = sorted({path for engine in ENGINES for path in (*engine.paths, engine.health)} | {"/api/show x"})
REPLIES = st.builds(
    Reply,
    st.sampled_from([200, 200, 200, 302, 404, 405, 500, 503]),
    st.dictionaries(
        st.sampled_from(["server"]), st.sampled_from(["llama.cpp", "BaseHTTP/0.6", "uvicorn", ""])
    ),
    VALUES,
)
ANSWERS = st.dictionaries(st.sampled_from(PATHS), REPLIES, max_size=6)


def read_all(answers: Answers) -> None:
    identify(answers)
    likely(answers)
    forwarding(answers)
    for engine in ENGINES:
        engine.identify(answers)
        engine.state(answers)
        engine.dialects(engine.version(answers))
        for model in engine.models(answers):
            assert model.name
            for count in (model.window, model.made_for, model.at_most):
                assert count is None or (type(count) is int and count > 0)
            for said in (model.loaded, model.images, model.audio, model.tools):
                assert said in (None, True, False)
            assert model.elsewhere is None or (isinstance(model.elsewhere, str) and model.elsewhere)
        if engine.forwards is not None:
            for reply in answers.values():
                engine.forwards.recognizes(reply.body)
                engine.forwards.worth(reply.body)
                engine.forwards.of_detail(reply.body)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANSWERS)
def test_no_answers_of_any_shape_make_a_row_raise(answers: Answers) -> None:
    read_all(answers)


def real() -> list[Answers]:
    found: list[Answers] = []
    for engine in ENGINES:
        with serving(double(engine.name)) as upstream:
            found.append(answers_of(upstream.port, (*SIGNS, *engine.paths)))
    return found


REAL = real()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(REAL), st.data())
def test_nor_do_real_answers_with_one_thing_wrong(answers: Answers, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(answers)))
    reply = answers[path]
    body = spoilt(reply.body, data)
    read_all({**answers, path: Reply(data.draw(st.sampled_from([reply.status, 200])), reply.headers, body)})


def spoilt(value: Any, data: st.DataObject) -> Any:
    """The same with one value in it replaced."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: spoilt(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [spoilt(value[0], data), *value[1:]]
    return data.draw(VALUES)


def test_deep_and_huge_answers_are_read() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    huge = {
        "object": "list",
        "data": [{"id": f"m{number}", "meta": {"n_ctx": 9}} for number in range(50_000)],
    }
    for body in (deep, {"data": deep, "models": deep}, huge):
        read_all({path: Reply(200, {}, body) for path in PATHS})
        read_all({path: Reply(200, {}, {"at": path, **huge}) for path in PATHS})
    while deep:  # so that it is not freed in one go, which recurses
        deep = deep[0]
