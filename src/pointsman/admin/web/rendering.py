"""The templates' environment: everything is escaped, and a name that nobody gave is an error. Not here: what a template is
given (pages/)."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ... import __version__
from . import words
from .menu import MENU
from .static_files import version

TEMPLATES = Path(__file__).parent / "templates"

ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
ENVIRONMENT.filters.update(
    ms=words.ms,
    span=words.span,
    count=words.count,
    tokens=words.tokens,
    money=words.money,
    size=words.size,
    moment=words.moment,
    protocol=words.protocol,
)
ENVIRONMENT.globals.update(
    menu=MENU,
    pages=frozenset(entry.path for entry in MENU),
    share=words.share,
    static=f"/ui/static/{version()}",
    program_version=__version__,
)
