"""A Claude subscription works without a stored key: the rule that forwards the login is enough."""

from __future__ import annotations

from pathlib import Path

from pointsman.admin.store import mappings
from pointsman.admin.store.database import Store
from pointsman.admin.store.snapshot import compile_snapshot
from pointsman.admin.vault import Vault
from pointsman.models import BackendMappingCreate, BackendType


def test_a_rule_that_forwards_the_login_needs_no_stored_key(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data")
    vault = Vault.load(tmp_path / "data", {}, False)
    with store.write() as session:
        rule = BackendMappingCreate(
            model_pattern="claude-*", backend_type=BackendType.ANTHROPIC, forward_auth=True
        )
        mappings.create(session, rule)
        plain = BackendMappingCreate(model_pattern="gpt-*", backend_type=BackendType.OPENAI)
        mappings.create(session, plain)
    with store.read() as session:
        snapshot = compile_snapshot(session, vault, 1, "e")
    store.close()
    (spec,) = snapshot.backends
    assert (spec.key, spec.api_key, spec.login_only) == ("anthropic", None, True)
    assert spec.base_url == "https://api.anthropic.com"
