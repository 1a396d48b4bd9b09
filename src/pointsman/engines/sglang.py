"""SGLang. [docs.sglang.io: native APIs; sglang/srt/entrypoints/http_server.py: model_info, health]

`/model_info` is the newer name of `/get_model_info`. Its `/health` is 503 while it starts and when it hangs.
"""

from __future__ import annotations

from typing import Any

from ..kinds import Protocol
from .engine import Answers, Engine, EngineModel, Spoken
from .reading import found, listed, members, over, owners, text, yes

_INFO, _OLD_INFO = "/model_info", "/get_model_info"
_OWNER = "sglang"


def _info(answers: Answers) -> dict[str, Any]:
    both = (members(found(answers, path)) for path in (_INFO, _OLD_INFO))
    return next((one for one in both if text(one.get("model_path"))), {})


def _identify(answers: Answers) -> bool:
    return yes(_info(answers).get("is_generation")) is not None or _OWNER in owners(answers)


def _models(answers: Answers) -> list[EngineModel]:
    info = _info(answers)
    return [
        over(
            EngineModel(
                model.name,
                loaded=True,
                images=yes(info.get("has_image_understanding")),
                audio=yes(info.get("has_audio_understanding")),
                generates=info.get("is_generation") is not False,
            ),
            model,
        )
        for model in listed(answers)
    ]


ENGINE = Engine(
    name="sglang",
    title="SGLang",
    identify=_identify,
    models=_models,
    signs=(_INFO, _OLD_INFO),
    ports=(30000,),
    owners=frozenset({_OWNER}),
    spoken=(Spoken(Protocol.OPENAI_CHAT), Spoken(Protocol.COMPLETIONS), Spoken(Protocol.EMBEDDINGS)),
    any_name=True,
    reports_overflow=True,
    takes={"repeat_penalty": ("repetition_penalty",)},
)
