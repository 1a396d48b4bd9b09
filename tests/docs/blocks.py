"""A page's blocks of commands, as a reader would type them. Not here: running them (stage.py).

```sh: what stands there is typed, and each command ends well. ```console: `$ ` before a command (a line that goes on
begins with `> `), below it what it prints; `...` stands for anything, for lines where it stands alone. An HTML comment on
the line above a block says what is special about it: `<!-- not run: REASON -->`, `<!-- needs: PROGRAM -->`, which is run
where that is installed, `<!-- exit: 1 -->`, of a command that shows an error, `<!-- goes on: UNTIL WHEN -->`, of one that the page's next blocks want
running.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(sh|console)$(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"^<!-- (not run|needs|exit|goes on): (.+?) -->$")
_GAP = re.compile(r" {2,}")
_PROMPT, _MORE = "$ ", "> "


@dataclass(frozen=True)
class Block:
    """One fence. line: of the page, where it begins. why: it is not run, "" where it is. needs: a program. exit: code of
    its last command. goes_on: that one ends with the page."""

    line: int
    kind: str
    text: str
    why: str = ""
    needs: str = ""
    exit: int = 0
    goes_on: bool = False

    @property
    def commands(self) -> list[tuple[str, str | None]]:
        """What is typed, and what is to be printed then; None where the page does not say."""
        return [(self.text, None)] if self.kind == "sh" else list(_typed(self.text))


def pages() -> dict[str, Path]:
    """Those whose blocks are run, by their names below the clone."""
    docs = ROOT / "docs"
    found = [ROOT / "README.md", *sorted(docs.glob("*.md")), *sorted((docs / "how-to").rglob("*.md"))]
    texts = {path: path.read_text(encoding="utf-8") for path in found}
    return {path.relative_to(ROOT).as_posix(): path for path in found if _FENCE.search(texts[path])}


def blocks(text: str) -> list[Block]:
    """Those of a page, in order. Raises ValueError for a mark that says nothing."""
    found = []
    for fence in _FENCE.finditer(text):
        above = text[: fence.start()].rstrip("\n").rpartition("\n")[2]
        mark = _MARK.match(above)
        said = {mark[1]: mark[2]} if mark else {}
        if above.startswith("<!--") and mark is None:
            raise ValueError(f"what is said above a block is not understood: {above}")
        found.append(
            Block(
                line=text.count("\n", 0, fence.start()) + 1,
                kind=fence[1],
                text=fence[2].strip("\n"),
                why=said.get("not run", ""),
                needs=said.get("needs", ""),
                exit=int(said.get("exit", 0)),
                goes_on="goes on" in said,
            )
        )
    return found


def _typed(text: str) -> Iterator[tuple[str, str]]:
    command: list[str] = []
    printed: list[str] = []
    for line in text.split("\n"):
        if line.startswith(_PROMPT):
            if command:
                yield "\n".join(command), "\n".join(printed)
            command, printed = [line.removeprefix(_PROMPT)], []
        elif line.startswith(_MORE) and command and not printed:
            command.append(line.removeprefix(_MORE))
        elif command:
            printed.append(line)
        else:
            raise ValueError(f"a console block begins with `{_PROMPT}`, not with: {line}")
    yield "\n".join(command), "\n".join(printed)


def is_as_shown(shown: str, printed: str) -> bool:
    """Was that printed? `...` in what is shown stands for anything; how wide a gap is does not count, nor what ends a line."""
    lines = _lines(shown)
    parts = [
        r"(?:.*\n)*?" if line == "..." else f"{re.escape(line).replace(re.escape('...'), '.*?')}\n"
        for line in lines
    ]
    said = "".join(f"{line}\n" for line in _lines(printed))
    return re.fullmatch("".join(parts), said) is not None


def _lines(text: str) -> list[str]:
    return [_GAP.sub("  ", line).rstrip() for line in text.strip("\n").split("\n")]
