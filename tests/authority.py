"""An authority of a test's own, and certificates of its PostgreSQL. Not here: those of backends (tests/upstream/certificates.py)."""

from __future__ import annotations

import datetime
import os
import time
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.postgres import Cluster


class Authority:
    """folder: a new one, for its certificate (`path`)."""

    def __init__(self, folder: Path) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
        self.path = folder / "ca.pem"
        folder.mkdir()
        self.path.write_bytes(self._signed(self.name, self.key.public_key(), ca=True))

    def write(self, cert: Path, key: Path, address: str) -> None:
        """A server's."""
        own = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "db")])
        cert.write_bytes(self._signed(name, own.public_key(), x509.IPAddress(ip_address(address))))
        key.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        key.chmod(0o600)

    def guard(self, cluster: Cluster, address: str) -> None:
        """From now on it has a certificate for that address, and takes TLS."""
        cert, key = cluster.data / "server.crt", cluster.data / "server.key"
        self.write(cert, key, address)
        owner = cluster.data.stat()
        for path in (cert, key):
            os.chown(path, owner.st_uid, owner.st_gid)
        cluster.run("ALTER SYSTEM SET ssl = on")
        cluster.run("SELECT pg_reload_conf()")
        until = time.monotonic() + 30
        while cluster.run("SHOW ssl") != [("on",)]:
            assert time.monotonic() < until, cluster.log.read_text()
            time.sleep(0.02)

    def _signed(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePublicKey,
        address: x509.GeneralName | None = None,
        *,
        ca: bool = False,
    ) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name).issuer_name(self.name).public_key(key).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )  # fmt: skip
        if address is not None:
            made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
