"""What a rule says that cannot work yet; it is accepted all the same (docs/design.md#data-model). Not here: which rules are
never asked (rule_order.py)."""

from __future__ import annotations

from sqlmodel import Session

from ...conversation.presets import bare
from ...kinds import PRACTICE, BackendType
from ...providers.addresses import is_loopback_address
from ...providers.urls import parse_base_url
from . import credentials, local_backends, sealing
from .tables import BackendMapping
from .targets import TargetRef, targets_of

_NO_WINDOW = (
    "num_ctx is not a request's to set in these protocols: set it where the model is loaded (Ollama: PARAMETER num_ctx in a "
    "Modelfile, or OLLAMA_CONTEXT_LENGTH; llama.cpp: --ctx-size; vLLM: --max-model-len); a request is told dropped:num_ctx "
    "where the model's window is not known to be that large"
)
_ADD_FALLBACK = "add one with: pointsman mapping update {} --fallback TYPE[/NAME]"


class Backends:
    """Those that are stored now; read once for many rules."""

    def __init__(self, session: Session) -> None:
        self._keyed = {sealing.key_of(row) for row in credentials.list_all(session)}
        self._local = {row.name: row for row in local_backends.list_all(session)}

    def warnings_of(self, row: BackendMapping) -> list[str]:
        """What to look at of one rule."""
        found: list[str] = []
        for ref in dict.fromkeys(targets_of(row)):
            warn = self._local_warning if ref.type is BackendType.LOCAL else self._cloud_warning
            warning = warn(row, ref)
            if warning is not None and warning not in found:
                found.append(warning)
        if any(bare(name) == "num_ctx" for name in row.presets or ()):
            found.append(_NO_WINDOW)
        if row.fallback_on and len(targets_of(row)) == 1:
            found.append(f"fallback_on has no next target to go to; {_ADD_FALLBACK.format(row.id)}")
        return found

    def _cloud_warning(self, row: BackendMapping, ref: TargetRef) -> str | None:
        if row.forward_auth and ref == next(
            one for one in targets_of(row) if one.type is not BackendType.LOCAL
        ):
            return None  # the client brings its own login, which no other origin gets
        if ref.backend not in self._keyed:
            return f"{ref.backend} has no key yet; add it with: pointsman credential set {ref.backend}"
        return None

    def _local_warning(self, row: BackendMapping, ref: TargetRef) -> str | None:
        if ref.name == PRACTICE:
            return None
        backends = [one for name, one in self._local.items() if ref.name in ("", name)]
        name = ref.name or "NAME"
        if not backends:
            which = f"local/{ref.name} does not exist" if ref.name else "there is no local backend"
            return f"{which} yet; add it with: pointsman local add {name} --url URL"
        if not any(backend.enabled for backend in backends):
            return f"{ref.backend} is disabled; enable it, or choose another backend"
        if row.local_only and ref.name and _elsewhere(backends[0].base_url):
            return f"{ref.backend} is at {backends[0].base_url}, not on this computer: local_only will not use it"
        return None


def _elsewhere(base_url: str) -> bool:
    """Surely not this computer; a name is judged when it is connected to."""
    try:
        address = parse_base_url(base_url).address
    except ValueError:
        return False
    return address is not None and not is_loopback_address(address)
