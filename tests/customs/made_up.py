"""Secrets made up by rule, none of them anybody's: of each kind what its maker says of its form, and the surroundings that
they are found in."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from random import Random

from pointsman.customs.plausible import base62

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALNUM = _LETTERS + "0123456789"
_HEX = "0123456789abcdef"
_URL = _ALNUM + "_-"
_B64 = _ALNUM + "+/"

Make = Callable[[Random], str]


def of(alphabet: str, size: int) -> Make:
    return lambda chance: "".join(chance.choices(alphabet, k=size))


def _after(before: str, alphabet: str, size: int, behind: str = "") -> Make:
    return lambda chance: before + of(alphabet, size)(chance) + behind


def _sound(before: str) -> Make:
    """With GitHub's checksum."""

    def make(chance: Random) -> str:
        body = of(_ALNUM, 30)(chance)
        return before + body + base62(zlib.crc32(body.encode()), 6).decode()

    return make


def _pem(name: str, size: int) -> Make:
    def make(chance: Random) -> str:
        text = base64.b64encode(bytes(chance.choices(range(256), k=size))).decode()
        lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
        return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----"

    return make


def _jwt(chance: Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"sub": of(_ALNUM, 12)(chance), "exp": chance.randrange(10**9, 2 * 10**9)}
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{of(_URL, 43)(chance)}"


def _pointsman(chance: Random) -> str:
    body = "pm-" + of(_URL, 43)(chance)
    return body + base64.urlsafe_b64encode(zlib.crc32(body.encode()).to_bytes(4, "big")).decode().rstrip("=")


KINDS: dict[str, Make] = {
    "private_key": _pem("RSA PRIVATE KEY", 600),
    "private_key (openssh)": _pem("OPENSSH PRIVATE KEY", 280),
    "private_key (pkcs8)": _pem("PRIVATE KEY", 140),
    "anthropic_key": _after("sk-ant-api03-", _URL, 93, "AA"),
    "openai_key": _after("sk-proj-", _URL, 120),
    "openai_key (service)": _after("sk-svcacct-", _URL, 90),
    "openrouter_key": _after("sk-or-v1-", _HEX, 64),
    "model_key": _after("sk-", _HEX, 32),
    "groq_key": _after("gsk_", _ALNUM, 52),
    "xai_key": _after("xai-", _ALNUM, 80),
    "perplexity_key": _after("pplx-", _ALNUM, 48),
    "huggingface_token": _after("hf_", _LETTERS, 34),
    "replicate_token": _after("r8_", _ALNUM, 37),
    "nvidia_key": _after("nvapi-", _URL, 64),
    "langfuse_key": lambda chance: "sk-lf-" + "-".join(of(_HEX, n)(chance) for n in (8, 4, 4, 4, 12)),
    "pointsman_key": _pointsman,
    "aws_access_key": _after("AKIA", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    "aws_secret_key": _after("aws_secret_access_key = ", _B64, 40),
    "google_key": _after("AIza", _URL, 35),
    "google_secret": _after("GOCSPX-", _URL, 28),
    "azure_key": _after("AccountKey=", _B64, 86, "=="),
    "azure_secret": lambda chance: of(_ALNUM, 3)(chance) + "8Q~" + of(_ALNUM, 34)(chance),
    "digitalocean_token": _after("dop_v1_", _HEX, 64),
    "databricks_token": _after("dapi", _HEX, 32),
    "vault_token": _after("hvs.", _URL, 90),
    "github_token": _sound("ghp_"),
    "github_token (fine)": lambda chance: f"github_pat_{of(_ALNUM, 22)(chance)}_{of(_ALNUM, 59)(chance)}",
    "gitlab_token": _after("glpat-", _URL, 20),
    "npm_token": _sound("npm_"),
    "pypi_token": _after("pypi-AgEIcHlwaS5vcmc", _URL, 140),
    "docker_token": _after("dckr_pat_", _URL, 27),
    "stripe_key": _after("sk_live_", _ALNUM, 24),
    "webhook_secret": _after("whsec_", _ALNUM, 32),
    "slack_token": lambda chance: f"xoxb-{of('0123456789', 12)(chance)}-{of('0123456789', 13)(chance)}-{of(_ALNUM, 24)(chance)}",
    "slack_webhook": lambda chance: "https://hooks.slack.com/services/T"
    + of("ABCDEFGHIJ0123456789", 10)(chance) + "/B" + of("ABCDEFGHIJ0123456789", 10)(chance) + "/" + of(_ALNUM, 24)(chance),
    "sendgrid_key": lambda chance: f"SG.{of(_URL, 22)(chance)}.{of(_URL, 43)(chance)}",
    "telegram_token": lambda chance: f"{chance.randrange(10**9, 10**10)}:AA{of(_URL, 33)(chance)}",
    "shopify_token": _after("shpat_", _HEX, 32),
    "linear_key": _after("lin_api_", _ALNUM, 40),
    "jwt": _jwt,
    "bearer_token": _after("Authorization: Bearer ", _ALNUM, 40),
    "password_in_url": lambda chance: f"postgres://app:{of(_ALNUM, 18)(chance)}@db.internal:5432/app",
    "password_in_url (ado)": lambda chance: f"Server=db;User Id=app;Password={of(_ALNUM, 16)(chance)};",
    "env_secret": _after("SESSION_SECRET=", _ALNUM, 32),
    "env_secret (password)": _after("DB_PASSWORD=", _ALNUM + "!%+", 14),
}  # fmt: skip
"""By kind as it is told; what stands behind it in brackets is a form of it."""

SURROUNDINGS: dict[str, Callable[[str], str]] = {
    "alone": lambda secret: secret,
    "a line": lambda secret: f"first\n{secret}\nlast",
    "code": lambda secret: f'client = Client("{secret}")  # remove me',
    "words": lambda secret: f"The key is {secret}, and it works.",
    "yaml": lambda secret: f"  value: '{secret}'\n  other: 1",
    "json": lambda secret: json.dumps({"value": secret}),
}
