"""Secret and Sealed: no way of showing them shows them."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import traceback

import msgspec
import pytest

from pointsman.secret import Sealed, Secret, SecretBytes

CANARY = "sk-canary-5f3a"
BOTH = [Secret(CANARY), Sealed(CANARY)]


@pytest.mark.parametrize("hidden", BOTH, ids=["secret", "sealed"])
def test_no_text_form_shows_it(hidden: Secret | Sealed) -> None:
    shown = [repr(hidden), str(hidden), f"{hidden}", f"{hidden!r}", f"{hidden:>40}"]
    shown += [repr([hidden]), repr({"k": hidden}), "{}".format(hidden)]  # noqa: UP032
    shown += ["%s" % hidden, str(ValueError(hidden))]  # noqa: UP031
    assert not any(CANARY in text for text in shown)
    assert "***" in repr(hidden)


@pytest.mark.parametrize("hidden", BOTH, ids=["secret", "sealed"])
def test_it_cannot_be_serialised(hidden: Secret | Sealed) -> None:
    for dump in (json.dumps, pickle.dumps, msgspec.json.encode, msgspec.msgpack.encode):
        with pytest.raises(TypeError) as caught:
            dump(hidden)
        assert CANARY not in str(caught.value)
    assert CANARY not in json.dumps({"k": hidden}, default=str)


@pytest.mark.parametrize("hidden", BOTH, ids=["secret", "sealed"])
def test_it_has_no_dict_and_cannot_be_changed(hidden: Secret | Sealed) -> None:
    with pytest.raises(TypeError):
        vars(hidden)
    with pytest.raises(AttributeError):
        hidden.other = 1  # type: ignore[union-attr]
    assert not isinstance(hidden, str)


@pytest.mark.parametrize("hidden", BOTH, ids=["secret", "sealed"])
def test_a_copy_is_the_same(hidden: Secret | Sealed) -> None:
    assert copy.copy(hidden) is hidden
    assert copy.deepcopy({"k": hidden})["k"] is hidden


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError("no")

    try:
        fail(Secret(CANARY))
    except ValueError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "secret = Secret(***)" in text
    assert CANARY not in text


def test_equality_is_by_type_and_content() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("a") != Sealed("a")
    assert Sealed("a") == "a"
    assert Sealed("a") != "b"
    assert len({Secret("a"), Secret("a"), Sealed("a")}) == 2


def test_reveal_is_the_way_in() -> None:
    assert Secret(CANARY).reveal() == CANARY
    assert Sealed(CANARY).text == CANARY


def test_a_sealed_text_names_its_master_key() -> None:
    assert Sealed("pm1.0a1b2c3d.xyz").key_id == "0a1b2c3d"
    assert Sealed("sk-plain").key_id is None


def test_sealed_is_made_of_text_only() -> None:
    with pytest.raises(ValueError):
        Sealed.of(7)


def test_importing_it_is_cheap() -> None:
    code = (
        "import sys; from pointsman.admin.vault import Secret, Vault;"
        "print([m for m in ('cryptography', 'pydantic', 'sqlalchemy', 'sqlite3') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_bytes_with_a_key_are_bytes_to_a_socket_and_a_mask_to_a_reader() -> None:
    block = SecretBytes(b"authorization: Bearer " + CANARY.encode())
    shown = [repr(block), str(block), f"{block}", f"{block!r}", f"{block:>40}", repr([block])]
    shown += ["%s" % block, "%r" % (block,), str(ValueError(block))]  # noqa: UP031
    assert not any(CANARY in text for text in shown)
    for dump in (json.dumps, pickle.dumps):
        with pytest.raises(TypeError):
            dump(block)
    assert b"".join([block, b"\r\n"]) == b"authorization: Bearer sk-canary-5f3a\r\n"
