"""mlx_lm.server, which is Python's http.server. [recorded: 0.32.2]

`/health` is 200 from the moment its port opens, before the model is loaded, and 503 when its generation thread has died.
Its list is what the cache of downloads holds, and a 200 with nothing where there is no such cache; it tells no window. A
whole answer is computed to its end whoever has left
(docs/protocols/backends.md#servers-that-never-notice-who-left).
"""

from __future__ import annotations

from ..kinds import Protocol
from .engine import HEALTH, LIST, NOTHING, Answers, Engine, EngineModel, Spoken, alive
from .reading import is_list, listed, members, server

_SERVER = "basehttp/"


_DEFAULT = "default_model"
"""`--model`, whatever it is called (its ModelProvider)."""


def _models(answers: Answers) -> list[EngineModel]:
    return listed(answers) or [EngineModel(_DEFAULT)]


def _identify(answers: Answers) -> bool:
    if not server(answers).startswith(_SERVER):
        return False
    health, listing = answers.get(HEALTH, NOTHING), answers.get(LIST, NOTHING)
    says = isinstance(members(health.body).get("status"), str) and health.status in (200, 503)
    lists = listing.status == 200 and (listing.body is None or is_list(listing.body))
    return says and (lists or health.status == 503)


ENGINE = Engine(
    name="mlx_lm",
    title="mlx_lm.server",
    identify=_identify,
    models=_models,
    nameless=_DEFAULT,
    signs=(HEALTH, LIST),
    ports=(8080,),
    servers=(_SERVER,),
    state=alive,
    ready_early=True,
    spoken=(Spoken(Protocol.OPENAI_CHAT), Spoken(Protocol.COMPLETIONS)),
    unheeding=True,
    takes={"repeat_penalty": ("repetition_penalty",)},
)
