"""Small parts: cells, times, secrets, and how fallbacks become fields."""

from __future__ import annotations

import click
import pytest

from pointsman.cli.common import MemoryParam, local_time, printable
from pointsman.cli.mapping import fallback_fields, target_text
from pointsman.cli.welcome import welcome
from pointsman.kinds import BackendType
from pointsman.process.machine import memory_bytes
from pointsman.process.standing import Standing

from .conftest import Shell

L, O, A = BackendType.LOCAL, BackendType.OPENAI, BackendType.ANTHROPIC  # noqa: E741


@pytest.mark.parametrize(
    ("targets", "plain", "rest"),
    [
        ([], (None, None), []),
        ([(O, "", None)], ("openai", None), []),
        ([(O, "", "m")], ("openai", "m"), []),
        ([(L, "box", "m")], (None, None), [("local", "box", "m")]),
        ([(O, "", "m"), (A, "", None)], ("openai", "m"), [("anthropic", "", None)]),
        ([(L, "box", None), (O, "", "m")], ("openai", "m"), [("local", "box", None)]),
        (
            [(O, "", "a"), (L, "x", None), (O, "", "b")],
            ("openai", "a"),
            [("local", "x", None), ("openai", "", "b")],
        ),
    ],
)
def test_the_first_fallback_without_a_name_is_the_fallback_backend(
    targets: list[tuple[BackendType, str, str | None]],
    plain: tuple[str | None, str | None],
    rest: list[tuple[str, str, str | None]],
) -> None:
    fields = fallback_fields(targets)
    assert (fields["fallback_backend"], fields["fallback_model"]) == plain
    assert [(t["backend_type"], t["backend_name"], t["model"]) for t in fields["fallbacks"]] == rest


def test_a_cell_is_one_line_without_control_characters() -> None:
    assert printable(None) == "-"
    assert (printable(True), printable(False)) == ("yes", "no")
    assert printable("a\x1b[31m\nb\x07") == "a?[31m?b?"
    assert printable(12.6) == "13"
    assert printable(0) == "0"


def test_a_time_is_the_readers_own() -> None:
    assert local_time(None) == "-"
    assert len(local_time("2026-11-24T01:03:24.245712Z")) == len("2026-11-24 01:03:24")


def test_a_target_is_written_as_everywhere() -> None:
    assert target_text("openai", "", None) == "openai"
    assert target_text("openai", "groq", "llama") == "openai/groq:llama"
    assert target_text("local", None, "m") == "local:m"


def test_the_first_screen_fits_a_screen_and_has_what_to_paste(
    shell: Shell,
) -> None:
    standing = Standing([("local/box", "http://127.0.0.1:9")])
    text = welcome(shell.data_dir, "http://127.0.0.1:4480", standing, "pointsman")
    for word in (
        "http://127.0.0.1:4480/ui",
        str(shell.data_dir / "admin-token"),
        "local/box",
        "/v1/chat/completions",
        "/v1/messages",
        "/v1/responses",
        "local add box",
        "credential set openai",
        f"connect codex --data-dir {shell.data_dir}",
        f"launch claude --data-dir {shell.data_dir}",
    ):
        assert word in text
    assert len(text.splitlines()) < 40
    assert "authorization: Bearer" not in text
    keys = Standing(keys_required=True)
    for word in ("authorization: Bearer", "connect codex --key codex", "launch claude --key claude"):
        assert word in welcome(shell.data_dir, "http://127.0.0.1:4480", keys, "pointsman")
    assert "launch" not in welcome(shell.data_dir, "unix:///run/x", keys, "pointsman"), (
        "no program asks a socket"
    )
    assert "other addresses" not in text
    wide = welcome(shell.data_dir, "http://127.0.0.1:4480", keys, "pointsman", everywhere=True)
    assert "answers at http://127.0.0.1:4480, and at this computer's other addresses" in wide


@pytest.mark.parametrize(
    ("text", "size"), [("24GB", 24 * 10**9), ("850MiB", 850 * 2**20), ("1.5g", 3 * 2**29), ("12", 12)]
)
def test_a_size_has_a_unit(text: str, size: int) -> None:
    assert MemoryParam().convert(text, None, None) == size


def test_a_share_is_of_this_machines_memory() -> None:
    memory = memory_bytes()
    assert memory is not None
    assert MemoryParam(share=True).convert("50%", None, None) == memory // 2


@pytest.mark.parametrize(
    "text", ["0%", "101%", "-1%", "x%", "1.5%", "\u00b2%", "%", "0", "-1GB", "24 apples"]
)
def test_what_is_neither_a_size_nor_a_share_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        MemoryParam(share=True).convert(text, None, None)
