"""The shape of a configuration file: what people set, under the names that the admin API has, without any secret.

A section that is left out is not spoken of; one that is there, and be it empty, says all that there is of its kind. Not
here: how it is written (cli/config.py), and what it changes (changes.py).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, Strict, StringConstraints, field_validator, model_validator

from ....wire.authority import parse_host
from ..schemas import (
    BackendMappingCreate,
    ClientKeyCreate,
    CloudCredentialCreate,
    CustomsPattern,
    KeyGroupCreate,
    LocalBackendCreate,
    PriceCreate,
    WebhookCreate,
)
from ..shapes import Input
from ..tables import CredentialAddress, CredentialColumns, LocalAddress, LocalColumns
from ..values import KeyName, WebOrigin

_Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
_Host = Annotated[str, AfterValidator(parse_host)]
_NO_KEY = "not-said"


class WithKeyFrom(Input):
    """key_env: an environment variable of whoever applies the file, which has the key. A stored key stays where it says
    none."""

    key_env: _Variable | None = None


class CredentialEntry(CredentialColumns, CredentialAddress, WithKeyFrom):
    """A provider, without its key."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        CloudCredentialCreate.model_validate(self.model_dump(exclude={"key_env"}) | {"api_key": _NO_KEY})
        return self


class LocalEntry(LocalColumns, LocalAddress, WithKeyFrom):
    """A local server, without its key. What an engine is started with stands in the data folder, and is not here."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        LocalBackendCreate.model_validate(self.model_dump(exclude={"key_env"}))
        return self


class KeyEntry(ClientKeyCreate):
    """A client key, by its name; a new one gets a secret that is shown once."""

    name: Annotated[KeyName, Field(min_length=1)]

    @field_validator("expires_at", mode="before")
    @classmethod
    def _is_a_text(cls, value: object) -> object:
        if isinstance(value, int | float):
            raise ValueError("a time is written as 2030-01-01T00:00:00Z")
        return value


class ConfigDocument(Input):
    """usage_days: 0: for ever. compare: the model by whose price local answers are measured, empty: none. customs: for all
    that leaves this machine; patterns: of the user's own."""

    version: Literal[1] = 1
    usage_days: Annotated[int, Strict(), Field(ge=0, le=36500)] | None = None
    compare: Annotated[str, Field(max_length=600)] | None = None
    customs: Literal["off", "warn", "mask", "refuse"] | None = None
    hosts: list[_Host] | None = None
    origins: list[WebOrigin] | None = None
    locals: list[LocalEntry] | None = None
    credentials: list[CredentialEntry] | None = None
    groups: list[KeyGroupCreate] | None = None
    keys: list[KeyEntry] | None = None
    prices: list[PriceCreate] | None = None
    webhooks: list[WebhookCreate] | None = None
    patterns: list[CustomsPattern] | None = None
    mappings: list[BackendMappingCreate] | None = None
