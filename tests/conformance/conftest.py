"""A gateway whose rules send every recorded model to a scripted upstream that plays the recordings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pointsman.practice import ScriptedUpstream
from tests.e2e.gateway import Gateway

from .recordings import Recording, recordings

if TYPE_CHECKING:
    from .test_replay import Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One gateway and one upstream for all recordings of this worker process."""
    from .test_replay import Stage

    with Gateway(tmp_path_factory.mktemp("conformance")) as gateway, ScriptedUpstream() as server:
        kinds = {recording.kind for recording in recordings()}
        backends = {kind: gateway.backend(kind, server.url) for kind in sorted(kinds)}
        for kind, model in sorted({(recording.kind, recording.model) for recording in recordings()}):
            gateway.rule(model, backends[kind])
        yield Stage(gateway, server)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recording" in metafunc.fixturenames:
        found: list[Recording] = recordings()
        marks = [] if found else [pytest.mark.skip(reason="NO RECORDINGS: set POINTSMAN_CONFORMANCE")]
        metafunc.parametrize("recording", found or [pytest.param(None, marks=marks)], ids=str)
