"""The link to another computer: who answers there is known before anything is said to it, a password least of all.

0.0.0.0 and 127.1 lead to this computer and are no loopback address to a reader of URLs, so that no other computer is needed.
"""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.admin.store.database import Store
from pointsman.errors import PointsmanError
from tests.authority import Authority
from tests.postgres import Cluster

USER, PASSWORD = "far", "canary-of-a-password"
HBA = "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
FAR, MISNAMED = "0.0.0.0", "127.1"
REFUSED = "shows no certificate that can be verified; see sslrootcert in docs/scale.md"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder / "right"), Authority(folder / "wrong")


@pytest.fixture(scope="module")
def far(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, authorities: tuple[Authority, Authority]
) -> Iterator[Cluster]:
    """A server with a password and, from tls() on, a certificate. cluster: so that there is a reason to skip."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Cluster("log_connections=on", port=port, hba=HBA) as running:
        running.run(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        running.run(f"CREATE DATABASE {USER} OWNER {USER}")
        yield running


@pytest.fixture(scope="module")
def guarded(far: Cluster, authorities: tuple[Authority, Authority]) -> Cluster:
    """From now on it has a certificate for 0.0.0.0."""
    authorities[0].guard(far, FAR)
    return far


def url(cluster: Cluster, host: str, ca: Path) -> str:
    return f"postgresql://{USER}:{PASSWORD}@{host}:{cluster.port}/{USER}?sslrootcert={ca}"


def refused(cluster: Cluster, folder: Path, at: str) -> None:
    """Nobody was let in, or asked for a password."""
    before = len(cluster.log.read_text())
    with pytest.raises(PointsmanError, match=REFUSED) as caught:
        Store.open(folder / "data", at)
    assert PASSWORD not in str(caught.value)
    said = cluster.log.read_text()[before:]
    assert "connection received: host=127.0.0.1" in said
    assert "authori" not in said.replace("tlsv1 alert unknown ca", "")
    assert "password" not in said


def test_a_server_without_tls_is_told_nothing(
    far: Cluster, authorities: tuple[Authority, Authority], tmp_path: Path
) -> None:
    refused(far, tmp_path, url(far, FAR, authorities[0].path))


def test_what_it_gets_to_hear_is_eight_bytes(
    authorities: tuple[Authority, Authority], tmp_path: Path
) -> None:
    """The question for TLS, and nothing after a no."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def say_no() -> None:
            taken, _ = listening.accept()
            with taken:
                heard.append(taken.recv(4096))
                taken.sendall(b"N")
                heard.append(taken.recv(4096))

        thread = threading.Thread(target=say_no)
        thread.start()
        port = listening.getsockname()[1]
        at = f"postgresql://{USER}:{PASSWORD}@{FAR}:{port}/{USER}?sslrootcert={authorities[0].path}"
        with pytest.raises(PointsmanError, match=REFUSED):
            Store.open(tmp_path / "data", at)
        thread.join(10)
    assert heard == [bytes.fromhex("0000000804d2162f"), b""]


def test_one_that_proves_who_it_is_is_used(
    guarded: Cluster, authorities: tuple[Authority, Authority], tmp_path: Path
) -> None:
    Store.open(tmp_path / "data", url(guarded, FAR, authorities[0].path)).close()
    assert f"connection authorized: user={USER} database={USER} SSL enabled" in guarded.log.read_text()
    shutil.rmtree(tmp_path / "data")


@pytest.mark.parametrize("why", ["another authority", "another name", "no authority", "the system's"])
def test_one_that_does_not_is_told_nothing(
    guarded: Cluster, authorities: tuple[Authority, Authority], tmp_path: Path, why: str
) -> None:
    right, wrong = (one.path for one in authorities)
    at = {
        "another authority": url(guarded, FAR, wrong),
        "another name": url(guarded, MISNAMED, right),
        "no authority": url(guarded, FAR, tmp_path / "nothing.pem"),
        "the system's": url(guarded, FAR, right).partition("?")[0],
    }[why]
    if why == "no authority":
        with pytest.raises(PointsmanError, match=REFUSED):
            Store.open(tmp_path / "data", at)
    else:
        refused(guarded, tmp_path, at)
