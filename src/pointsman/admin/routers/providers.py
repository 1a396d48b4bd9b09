"""`/api/providers`: providers that are known by name, where a typed address would send a key, and a test of it before
anything is stored."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from ...engines.registry import ENGINES
from ...kinds import AuthScheme, BackendType, Protocol
from ...models import CloudCredentialCreate, LocalBackendCreate
from ...providers.catalog import origin_of
from ...providers.known import KNOWN
from ..control.control_plane import ControlPlane
from ..control.destination import Destination, Typed, destination_of
from ..control.probing import Heard, ProbeOutcome, TokenOf, probe_with_token
from ..store.snapshot import unsaved_spec
from .base import Run, errors

router = APIRouter(prefix="/api/providers", tags=["credentials"])


class KnownBackend(BaseModel):
    """A provider, or a local server at its usual port. name: of the backend, unless another is wanted. base_url: None = the
    type's own; a part in capitals is to be filled in. origin: to which a key for it goes. protocols: what it speaks.
    key_at: where one gets a key, in words, "" where none is needed. auth: None = the type's own."""

    title: str
    backend_type: BackendType
    name: str
    base_url: str
    origin: str
    protocols: list[Protocol]
    key_at: str
    auth: AuthScheme | None = None


class CredentialTrial(CloudCredentialCreate):
    """A provider's address and key that are not stored. What is tried is what would be stored. one_token: a model that
    is asked for one token after all else has worked, which may cost."""

    one_token: TokenOf = None


class LocalTrial(LocalBackendCreate):
    """A local server's address that is not stored. one_token: as above."""

    one_token: TokenOf = None


@router.get("", responses=errors())
def show_list() -> list[KnownBackend]:
    """All that are known, providers first. One that is not here is added by its address."""
    return [
        KnownBackend(
            title=one.title,
            backend_type=one.type,
            name=one.name,
            base_url=one.base_url,
            origin=origin_of(one.type, one.base_url),
            protocols=list(one.protocols),
            key_at=one.key_at,
            auth=one.auth,
        )
        for one in KNOWN
    ] + _local_servers()


def _local_servers() -> list[KnownBackend]:
    """Engines that listen at a port of their own by habit."""
    addresses = [(one, f"http://127.0.0.1:{one.ports[0]}") for one in ENGINES if one.ports and not one.own]
    return [
        KnownBackend(
            title=engine.title,
            backend_type=BackendType.LOCAL,
            name=engine.name,
            base_url=address,
            origin=address,
            protocols=sorted(engine.dialects(None)),
            key_at="",
        )
        for engine, address in addresses
    ]


@router.post("/origin", responses=errors())
def show_origin(body: Typed) -> Destination:
    """Where the key for this address would go, before anything is stored. Nobody is asked."""
    return destination_of(body)


@router.post("/test/credential", responses=errors())
async def try_credential(control: Run, body: CredentialTrial) -> ProbeOutcome:
    """Try an address and a key that are not stored: as the test of a stored one. The key goes to the address' origin and
    nowhere else, and is forgotten."""
    return await try_unsaved(control, body)


@router.post("/test/local", responses=errors())
async def try_local(control: Run, body: LocalTrial) -> ProbeOutcome:
    """The same for a local server."""
    return await try_unsaved(control, body)


async def try_unsaved(
    control: ControlPlane, body: CredentialTrial | LocalTrial, heard: Heard = lambda step: None
) -> ProbeOutcome:
    """heard: told each step when it has ended."""
    return await probe_with_token(control, unsaved_spec(body), body.one_token, heard)
