"""`/api/hosts`: Host names that clients may use for this gateway, beside its own address."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AfterValidator, BaseModel, ConfigDict

from ...config import HOSTS_VARIABLE, listed
from ...wire.authority import parse_host
from ..store import hosts
from ..store.values import OriginSource
from .base import Run, errors

router = APIRouter(prefix="/api/hosts", tags=["hosts"])

HostName = Annotated[str, AfterValidator(parse_host)]


class HostWish(BaseModel):
    """A name or an IP address, without scheme and port: `box.lan`."""

    model_config = ConfigDict(extra="forbid")

    host: HostName


class HostRow(BaseModel):
    """A host that is let in. sources: `stored` (added here), `option` (--allow-host), `environment` (POINTSMAN_ALLOW_HOST);
    only a stored one can be removed while the gateway runs."""

    host: str
    sources: list[OriginSource]


@router.get("", responses=errors())
def show_list(control: Run) -> list[HostRow]:
    """Every host that is let in beside the gateway's own, and who let it in."""
    with control.read() as session:
        found = {host: [OriginSource.STORED] for host in hosts.list_all(session)}
    environment = set(listed(HOSTS_VARIABLE, parse_host))
    for host in control.options.allow_hosts:
        source = OriginSource.ENVIRONMENT if host in environment else OriginSource.OPTION
        found.setdefault(host, []).append(source)
    return [HostRow(host=host, sources=list(dict.fromkeys(sources))) for host, sources in found.items()]


@router.post("", status_code=201, responses=errors(409))
def add(control: Run, body: HostWish) -> HostRow:
    """Answer to a host name, from this answer on."""
    with control.change() as session:
        hosts.create(session, body.host)
    return HostRow(host=body.host, sources=[OriginSource.STORED])


@router.delete("/{host}", status_code=204, responses=errors(404))
def remove(control: Run, host: Annotated[str, Path(max_length=300)]) -> None:
    """Answer to it no more, unless an option or the environment lets it in."""
    with control.change() as session:
        hosts.delete(session, host)
