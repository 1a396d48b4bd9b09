"""The templates' environment: everything is escaped, and a name that nobody gave is an error. What a template is compiled to
is kept beside it, as Python keeps what it compiles (`__pycache__`), so that the first look after a start does not wait for
it. Not here: what a template is given (pages/)."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import jinja2
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from ... import __version__
from . import words
from .menu import MENU
from .static_files import version

TEMPLATES = Path(__file__).parent / "templates"

_WAYS: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True}
"""By which a template is compiled."""


class CompiledTemplates(BytecodeCache):
    """Kept where Python keeps its own, for that source, those ways and that Jinja; where nobody may write, not kept."""

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return importlib.util.cache_from_source(filename or name)

    def get_source_checksum(self, source: str) -> str:
        return hashlib.sha256(repr((jinja2.__version__, _WAYS, source)).encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError, EOFError, ValueError, UnpicklingError):  # not there, or half written
            bucket.bytecode_from_string(Path(bucket.key).read_bytes())

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        path = Path(bucket.key)
        written = path.with_name(f"{path.name}.{os.getpid()}")
        with suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            written.write_bytes(bucket.bytecode_to_string())
            written.replace(path)


ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES),
    bytecode_cache=CompiledTemplates(),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    **_WAYS,
)
ENVIRONMENT.filters.update(
    ms=words.ms,
    span=words.span,
    count=words.count,
    tokens=words.tokens,
    money=words.money,
    size=words.size,
    moment=words.moment,
    noun=words.noun,
    protocol=words.protocol,
)
ENVIRONMENT.globals.update(
    menu=MENU,
    pages=frozenset(entry.path for entry in MENU),
    share=words.share,
    static=f"/ui/static/{version()}",
    program_version=__version__,
)
