"""The page of the stream writers' grammars: each diagram is the very table that drives the writer
(dialects/part_writer.Moves)."""

from __future__ import annotations

from pointsman.dialects.base import ClientHalf
from pointsman.dialects.registry import DIALECTS


def page() -> str:
    lines = [
        "# What may follow what in a stream",
        "",
        "Made by `make docs` from the tables that the stream writers run on: an order that is not drawn here cannot be",
        "written. Every box may be followed by an error; those arrows are left out. Ends without an arrow are final.",
    ]
    for dialect in DIALECTS.values():
        if dialect.translation is not None:
            lines += _drawn(dialect.protocol.value, dialect.translation)
        for path, half in dialect.halves.items():
            lines += _drawn(f"{dialect.protocol.value} {path}", half)
    return "\n".join(lines) + "\n"


def _drawn(title: str, half: ClientHalf) -> list[str]:
    names = {frame: f"s{number}" for number, frame in enumerate(half.moves)}
    lines = ["", f"## {title}", "", "```mermaid", "stateDiagram-v2"]
    for frame, name in names.items():
        if frame and frame not in ("error", "failed"):
            lines.append(f"    {name}: {frame}")
    for frame, following in half.moves.items():
        for after in half.moves:
            if after in following and after not in ("error", "failed"):
                lines.append(f"    {names[frame] if frame else '[*]'} --> {names[after]}")
    for frame, following in half.moves.items():
        if frame not in ("", "error", "failed") and not following - {"error", "failed"}:
            lines.append(f"    {names[frame]} --> [*]")
    return [*lines, "```"]
