"""The public data model (docs/design.md#data-model): tables, enums, API shapes. Names only; they
live in store."""

from __future__ import annotations

from .admin.store.schemas import (
    BackendMappingCreate,
    BackendMappingMove,
    BackendMappingResponse,
    BackendMappingUpdate,
    ClientKeyCreate,
    ClientKeyCreated,
    ClientKeyResponse,
    ClientKeyRotate,
    ClientKeyUpdate,
    CloudCredentialCreate,
    CloudCredentialResponse,
    CloudCredentialUpdate,
    KeyGroupCreate,
    KeyGroupResponse,
    KeyGroupUpdate,
    LocalBackendCreate,
    LocalBackendResponse,
    LocalBackendUpdate,
)
from .admin.store.tables import (
    AllowedOrigin,
    BackendMapping,
    ClientKey,
    CloudCredential,
    KeyGroup,
    LocalBackend,
    Setting,
)
from .admin.store.targets import TargetRef, targets_of
from .admin.store.values import FallbackTarget
from .kinds import AuthScheme, BackendType, Protocol

__all__ = [
    "AllowedOrigin",
    "AuthScheme",
    "BackendMapping",
    "BackendMappingCreate",
    "BackendMappingMove",
    "BackendMappingResponse",
    "BackendMappingUpdate",
    "BackendType",
    "ClientKey",
    "ClientKeyCreate",
    "ClientKeyCreated",
    "ClientKeyResponse",
    "ClientKeyRotate",
    "ClientKeyUpdate",
    "CloudCredential",
    "CloudCredentialCreate",
    "CloudCredentialResponse",
    "CloudCredentialUpdate",
    "FallbackTarget",
    "KeyGroup",
    "KeyGroupCreate",
    "KeyGroupResponse",
    "KeyGroupUpdate",
    "LocalBackend",
    "LocalBackendCreate",
    "LocalBackendResponse",
    "LocalBackendUpdate",
    "Protocol",
    "Setting",
    "TargetRef",
    "targets_of",
]
