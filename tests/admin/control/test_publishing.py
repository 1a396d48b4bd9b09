"""When the rules are read anew for those who change them at once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from pointsman.admin.control.control_plane import ControlPlane
from pointsman.admin.store import mappings
from pointsman.admin.store.schemas import BackendMappingCreate
from pointsman.kinds import BackendType

MANY = 20


def test_many_that_publish_at_once_share_a_reading_and_each_change_is_in_it(tmp_path: Path) -> None:
    """Twelve writers at three gateways had each change read by itself, one after the other: six a second."""
    control = ControlPlane.open(tmp_path / "data", {})
    try:
        done: list[bool] = []
        before = control.snapshot.version
        with control.store.read():  # nobody else reads meanwhile
            threads = [threading.Thread(target=lambda: done.append(control.publish())) for _ in range(MANY)]
            for thread in threads:
                thread.start()
            time.sleep(0.3)
        for thread in threads:
            thread.join(30)
        assert done == [True] * MANY
        assert 1 <= control.snapshot.version - before < MANY / 2

        def change(number: int) -> None:
            with control.change() as session:
                made = BackendMappingCreate(model_pattern=f"m{number}", backend_type=BackendType.LOCAL)
                mappings.create(session, made)
            assert any(rule.pattern == f"m{number}" for rule in control.snapshot.mappings)
            done.append(True)

        threads = [threading.Thread(target=change, args=(number,)) for number in range(MANY)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert done == [True] * (2 * MANY)
        assert {rule.pattern for rule in control.snapshot.mappings} == {
            f"m{number}" for number in range(MANY)
        }
    finally:
        control.close()
