"""The rows over what real engines answered, and the doubles beside it: each answers as its recording does."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.engines.engine import Answers, Question, Reply
from pointsman.engines.registry import identify

from .asking import RECORDINGS, asked, recorded
from .doubles import Model, double, serving

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason=f"no recordings of real engines: {RECORDINGS} is absent"
)
CASES: dict[str, tuple[str, dict[str, str]]] = {
    "llama.cpp b10434": ("llama_cpp", {
        "/props": "llamacpp-b10434.props.txt", "/v1/models": "llamacpp-b10434.v1_models.txt",
        "/health": "llamacpp-b10434.health.txt", "/api/tags": "llamacpp-b10434.api_tags.txt",
        "/api/version": "llamacpp-b10434.api_version.txt", "/api/v0/models": "llamacpp-b10434.api_v0_models.txt",
        "/get_model_info": "llamacpp-b10434.get_model_info.txt", "/version": "llamacpp-b10434.version.txt",
    }),
    "llama.cpp b11549, bodies alone": ("llama_cpp", {
        "/props": "llamacpp-b11549.props.json", "/v1/models": "llamacpp-b11549.v1_models.json",
        "/health": "llamacpp-b11549.health.json",
    }),
    "the router, cold": ("llama_router", {
        "/props": "llamacpp-router-b10434.props.txt", "/v1/models": "llamacpp-router-b10434.v1_models.cold.txt",
    }),
    "the router, loaded": ("llama_router", {
        "/props": "llamacpp-router-b10434.props.txt", "/v1/models": "llamacpp-router-b10434.v1_models.loaded.txt",
    }),
    "mlx_lm 0.32.2": ("mlx_lm", {
        "/health": "mlx_lm-0.32.2.health.txt", "/v1/models": "mlx_lm-0.32.2.v1_models.txt",
        "/props": "mlx_lm-0.32.2.props.txt", "/api/tags": "mlx_lm-0.32.2.api_tags.txt",
        "/api/version": "mlx_lm-0.32.2.api_version.txt", "/get_model_info": "mlx_lm-0.32.2.get_model_info.txt",
    }),
    "Ollama 0.17.4, cold": ("ollama", {
        "/api/version": "ollama-0.17.4.api_version.cold.txt", "/api/tags": "ollama-0.17.4.api_tags.cold.txt",
        "/api/ps": "ollama-0.17.4.api_ps.cold.txt", "/v1/models": "ollama-0.17.4.v1_models.cold.txt",
        "/health": "ollama-0.17.4.health.cold.txt", "/props": "ollama-0.17.4.props.cold.txt",
    }),
    "Ollama 0.17.4, loaded": ("ollama", {
        "/api/version": "ollama-0.17.4.api_version.cold.txt", "/api/tags": "ollama-0.17.4.api_tags.with_remote.txt",
        "/api/ps": "ollama-0.17.4.api_ps.loaded.txt", "/v1/models": "ollama-0.17.4.v1_models.cold.txt",
        "/api/show tt:latest": "ollama-0.17.4.api_show.txt",
    }),
}  # fmt: skip


def answers_of(case: str) -> Answers:
    return {path: recorded(name) for path, name in CASES[case][1].items()}


@pytest.mark.parametrize("case", CASES)
def test_a_real_engine_is_recognized(case: str) -> None:
    found = identify(answers_of(case))
    assert found is not None
    assert found.name == CASES[case][0]


WINDOWS: dict[str, dict[str, tuple[int | None, int | None, bool | None]]] = {
    "llama.cpp b10434": {"tiny-gguf": (1024, 4096, True)},
    "llama.cpp b11549, bodies alone": {"/models/tiny-random.gguf": (2048, 4096, True)},
    "the router, cold": {"mid": (None, None, False), "tt3": (None, None, False)},
    "the router, loaded": {"mid": (None, None, False), "tt3": (2048, 4096, True)},
    "mlx_lm 0.32.2": {"/models/tiny-random": (None, None, None)},
    "Ollama 0.17.4, cold": {"mid:latest": (None, None, False), "tt:latest": (None, None, False)},
    "Ollama 0.17.4, loaded": {"mid:latest": (None, None, False), "tt:latest": (4096, 4096, True),
                              "big-cloud:latest": (None, None, False)},
}  # fmt: skip


@pytest.mark.parametrize("case", WINDOWS)
def test_its_windows_are_the_real_ones(case: str) -> None:
    answers = answers_of(case)
    engine = identify(answers)
    assert engine is not None
    found = {one.name: (one.window, one.made_for, one.loaded) for one in engine.models(answers)}
    assert found == WINDOWS[case]


def test_a_model_that_ollama_sends_on_is_told() -> None:
    answers = answers_of("Ollama 0.17.4, loaded")
    engine = identify(answers)
    assert engine is not None
    away = {one.name: one.elsewhere for one in engine.models(answers) if one.elsewhere}
    assert away == {"big-cloud:latest": "http://127.0.0.1:5460"}


LIKE = {
    "llama.cpp b10434": (Model("tiny-gguf", window=1024, made_for=4096),),
    "the router, loaded": (Model("mid", loaded=False), Model("tt3", window=2048, made_for=4096)),
    "mlx_lm 0.32.2": (Model("/models/tiny-random"),),
    "Ollama 0.17.4, loaded": (
        Model("tt:latest", window=4096, made_for=4096, tools=False),
        Model("mid:latest", loaded=False),
        Model("big-cloud:latest", elsewhere="http://127.0.0.1:5460", loaded=False),
    ),
}


@pytest.mark.parametrize("case", LIKE)
def test_a_double_answers_as_its_recording_does(case: str) -> None:
    """Status, the headers by which it is known, and every member that the row reads, of the same type and value."""
    name, files = CASES[case]
    with serving(double(name, *LIKE[case])) as upstream:
        for key, file in files.items():
            path, _, model = key.partition(" ")
            said = asked(upstream.port, Question(path, {"model": model} if model else None))
            real = recorded(file)
            assert said.status == real.status, path
            assert (said.headers.get("server") or "") == (real.headers.get("server") or ""), path
            assert foreign(said.body, real.body) == set(), path
        if name in ("llama_cpp", "ollama", "llama_router"):
            assert read(name, upstream.port, files) == read_recorded(case)


def foreign(said: Any, real: Any, at: str = "") -> set[str]:
    """Members of the double's answer that the real engine's has not, or has of another type."""
    if isinstance(said, dict) and isinstance(real, dict):
        missing = {f"{at}.{key}" for key in said if key not in real and key not in NEWER}
        return missing.union(*(foreign(said[key], real[key], f"{at}.{key}") for key in said if key in real))
    if isinstance(said, list) and isinstance(real, list):
        merged = {key: value for one in real if isinstance(one, dict) for key, value in one.items()}
        return set().union(*(foreign(one, merged, f"{at}[]") for one in said if isinstance(one, dict)))
    return set() if type(said) is type(real) else {f"{at}: {type(said).__name__}"}


NEWER = {"architecture", "num_ctx", "capabilities", "modified_at"}
"""llama.cpp's list has `architecture` since b11549; of Ollama's `/api/show` the recording is of another model."""


def read(name: str, port: int, files: dict[str, str]) -> Any:
    answers: dict[str, Reply] = {}
    for key in files:
        path, _, model = key.partition(" ")
        question = Question(path, {"model": model} if model else None, model)
        answers[question.key] = asked(port, question)
    return _windows(answers)


def read_recorded(case: str) -> Any:
    return _windows(answers_of(case))


def _windows(answers: Answers) -> Any:
    engine = identify(answers)
    assert engine is not None
    return {one.name: (one.window, one.made_for, one.loaded, one.elsewhere) for one in engine.models(answers)}
