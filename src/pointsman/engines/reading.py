"""Reading what engines answer, which may be anything: every function takes any value and never raises.

Here is also the one reading of a list of models in OpenAI's form, with the members that engines add to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .engine import LIST, NOTHING, Answers, EngineModel

MOST = 2000
"""Models of a list that are looked at."""
_LONGEST_NAME = 512
_WINDOWS = ("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens")
"""vLLM and SGLang; OpenRouter's form; others."""


def found(answers: Answers, key: str) -> Any:
    """The JSON that was answered with status 200; None where there is none."""
    reply = answers.get(key, NOTHING)
    return reply.body if reply.status == 200 else None


def server(answers: Answers) -> str:
    """The `Server` header of any answer, in lower case."""
    return next((one.headers["server"].lower() for one in answers.values() if "server" in one.headers), "")


def members(value: Any) -> dict[str, Any]:
    """The members of an object; none of anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list."""
    return [one for one in value[:MOST] if isinstance(one, dict)] if isinstance(value, list) else []


def count(value: Any) -> int | None:
    """A number of tokens."""
    return value if type(value) is int and 0 < value < 1_000_000_000 else None


def text(value: Any) -> str:
    """A text; "" of anything else."""
    return value if isinstance(value, str) else ""


def yes(value: Any) -> bool | None:
    """True or False; None of anything else."""
    return value if isinstance(value, bool) else None


def words(value: Any) -> frozenset[str] | None:
    """The texts in a list; None of anything else."""
    if not isinstance(value, list):
        return None
    return frozenset(one for one in value[:MOST] if isinstance(one, str))


def name_of(entry: dict[str, Any], *keys: str) -> str:
    """The first of these members that is a name; "" where none is."""
    names = (text(entry.get(key)) for key in keys)
    return next((name for name in names if 0 < len(name) <= _LONGEST_NAME), "")


def same_name(listed: str, model: str) -> bool:
    """Letter case and `:latest` make no other model."""
    return _plain(listed) == _plain(model)


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(":latest")


def is_list(body: Any) -> bool:
    """A list of models in OpenAI's form."""
    data = members(body).get("data")
    if not isinstance(data, list):
        return False
    return all(name_of(one, "id") for one in objects(data)) and (len(objects(data)) > 0 or not data)


def owners(answers: Answers) -> frozenset[str]:
    """Every `owned_by` of the list of models."""
    listing = objects(members(found(answers, LIST)).get("data"))
    return frozenset(text(one.get("owned_by")) for one in listing) - {""}


def listed(answers: Answers) -> list[EngineModel]:
    """`/v1/models`: with llama.cpp's `meta` and `architecture`, and its second list, `models`."""
    body = members(found(answers, LIST))
    known: dict[str, EngineModel] = {}
    for entry in (*objects(body.get("data")), *objects(body.get("models"))):
        name = name_of(entry, "id", "name")
        if name:
            before, now = known.get(name), _entry(name, entry)
            known[name] = now if before is None else over(before, now)
    return list(known.values())


def over(first: EngineModel, other: EngineModel) -> EngineModel:
    """The first, and from the other what it does not say."""
    more = {key: getattr(other, key) for key in _SAID if getattr(first, key) is None}
    return replace(first, **more, generates=first.generates and other.generates)


_SAID = ("window", "made_for", "loaded", "elsewhere", "images", "audio", "tools", "abilities")


def _entry(name: str, entry: dict[str, Any]) -> EngineModel:
    meta = members(entry.get("meta"))
    window = next(filter(None, (count(entry.get(key)) for key in _WINDOWS)), None)
    kinds = members(entry.get("architecture")).get("input_modalities", entry.get("input_modalities"))
    able = words(kinds) or words(entry.get("capabilities")) or None
    return EngineModel(
        name,
        window=count(meta.get("n_ctx")) or window,
        made_for=count(meta.get("n_ctx_train")),
        images=None if able is None else bool(able & {"image", "vision", "multimodal"}),
        audio=None if not isinstance(kinds, list) or not kinds else "audio" in kinds,
        generates=not (able is not None and able & {"embedding", "embeddings"} and "completion" not in able),
    )
