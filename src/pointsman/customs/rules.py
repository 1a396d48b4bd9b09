"""What credentials look like: one row a kind, from what their makers say of their form. Data only.

A row's words are what must stand in the text, by which it is found (hints.py); its pattern is tried there, or `behind`
bytes before at the most. Its first group is the credential, all of it where there is none. Every pattern is linear: what
repeats is bounded, and ends where what follows begins, so that a class that repeats never gives anything back. Not here:
what it must be besides (plausible.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import plausible

_DIGITS = b"0123456789"
NAME = _DIGITS + b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
_END = rb"(?![A-Za-z0-9_-])"
Check = Callable[[bytes, bytes], bool]
"""(what was found, the credential in it)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """kind: as it is told. words: at least three bytes each. behind: how many bytes before a word it may begin at the most,
    of `back`. inside: it may stand within a longer word. guess: another rule says better what it is."""

    kind: str
    words: tuple[bytes, ...]
    pattern: bytes
    check: Check = plausible.varied
    behind: int = 0
    inside: bool = False
    back: bytes = NAME
    guess: bool = False


def _key(kind: str, word: str, rest: str, *more: str) -> Rule:
    """word: how it begins, and `more` in other cases; rest: what follows, a pattern."""
    words = tuple(one.encode() for one in (word, *more))
    begins = b"|".join(one.replace(b".", rb"\.") for one in words)
    return Rule(kind, words, b"(?:" + begins + b")" + rest.encode() + _END)


_PEM = rb"(?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_QUOTE = rb"(?:\\{0,3}[\"']){0,1}"
_IS = _QUOTE + rb"[ \t]{0,4}(?::=|=>|[=:])[ \t]{0,4}" + _QUOTE

RULES = (
    Rule(
        "private_key",
        (b"-----BEGIN ",),
        rb"-----BEGIN " + _PEM + rb"(?:(?>(?:[^-]|-(?!----)){40,16000})-----END " + _PEM
        + rb"|(?:\\{1,2}[nr]|[A-Za-z0-9+/=\r\n\t ]){64,16000})",
        plausible.armoured,
    ),
    Rule("age_key", (b"AGE-SECRET-KEY-1",), rb"AGE-SECRET-KEY-1[0-9A-Z]{58}" + _END),
    # models
    _key("anthropic_key", "sk-ant-", "(?:api|admin|oat|ort|sid)[0-9]{2}-[A-Za-z0-9_-]{20,200}"),
    _key("openrouter_key", "sk-or-v1-", "[0-9a-f]{64}"),
    _key("openai_key", "sk-proj-", "[A-Za-z0-9_-]{20,220}", "sk-svcacct-", "sk-admin-", "sk-None-"),
    Rule("langfuse_key", (b"sk-lf-",), rb"sk-lf-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}" + _END),
    Rule("model_key", (b"sk-",), rb"sk-(?:[a-z]{2,8}-){0,2}[A-Za-z0-9]{24,128}" + _END, plausible.random, guess=True),
    _key("groq_key", "gsk_", "[A-Za-z0-9]{40,60}"),
    _key("xai_key", "xai-", "[A-Za-z0-9]{60,100}"),
    _key("perplexity_key", "pplx-", "[A-Za-z0-9]{40,64}"),
    _key("huggingface_token", "hf_", "[A-Za-z0-9]{30,40}", "api_org_"),
    _key("replicate_token", "r8_", "[A-Za-z0-9]{37}"),
    _key("fireworks_key", "fw_", "[A-Za-z0-9]{20,32}"),
    _key("together_key", "tgp_v1_", "[A-Za-z0-9_-]{40,64}"),
    _key("nvidia_key", "nvapi-", "[A-Za-z0-9_-]{60,72}"),
    _key("cerebras_key", "csk-", "[a-z0-9]{40,60}"),
    _key("jina_key", "jina_", "[A-Za-z0-9_-]{50,70}"),
    _key("tavily_key", "tvly-", "[A-Za-z0-9-]{20,60}"),
    _key("firecrawl_key", "fc-", "[0-9a-f]{32}"),
    _key("elevenlabs_key", "sk_", "[0-9a-f]{48}"),
    _key("langsmith_key", "lsv2_", "(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    Rule("pointsman_key", (b"pm-",), rb"pm-[A-Za-z0-9_-]{49}" + _END, plausible.pointsman),
    # clouds
    Rule(
        "aws_access_key", (b"AKIA", b"ASIA", b"ABIA", b"ACCA"), rb"A(?:KI|SI|BI|CC)A[A-Z2-7]{16}" + _END, plausible.aws
    ),
    Rule(
        "aws_secret_key",
        (b"secret_access_key", b"SECRET_ACCESS_KEY", b"SecretAccessKey", b"secretAccessKey"),
        rb"[A-Za-z_]{17}" + _IS + rb"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        inside=True,
    ),
    Rule(
        "aws_session_token",
        (b"session_token", b"SESSION_TOKEN", b"SessionToken", b"sessionToken"),
        rb"[A-Za-z_]{12,13}" + _IS + rb"([A-Za-z0-9/+=]{100,2000})(?![A-Za-z0-9/+=])",
        inside=True,
    ),
    Rule("bedrock_key", (b"ABSK",), rb"ABSK[A-Za-z0-9+/]{100,160}={0,2}(?![A-Za-z0-9+/])"),
    _key("google_key", "AIza", "[A-Za-z0-9_-]{35}"),
    _key("google_token", "ya29.", "[A-Za-z0-9_-]{20,400}"),
    _key("google_secret", "GOCSPX-", "[A-Za-z0-9_-]{28}"),
    _key("google_refresh_token", "1//0", "[A-Za-z0-9_-]{30,160}"),
    Rule("azure_key", (b"AccountKey=",), rb"AccountKey=([A-Za-z0-9+/]{86}==)", inside=True),
    Rule("azure_key", (b"SharedAccessKey=",), rb"SharedAccessKey=([A-Za-z0-9+/]{43}=)", inside=True),
    Rule(
        "azure_secret", (b"7Q~", b"8Q~"), rb"[A-Za-z0-9_.~-]{3}[78]Q~[A-Za-z0-9_.~-]{31,34}" + _END,
        behind=3, back=NAME + b".~-",
    ),
    Rule("azure_sas", (b"&sig=", b"?sig="), rb"[&?]sig=([A-Za-z0-9%]{43,63}%3[dD])", inside=True),
    _key("digitalocean_token", "dop_v1_", "[0-9a-f]{64}", "doo_v1_", "dor_v1_"),
    _key("databricks_token", "dapi", "[0-9a-f]{32}(?:-[0-9])?"),
    _key("tailscale_key", "tskey-", "[a-z]{3,8}-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{16,48}"),
    _key("fly_token", "fo1_", "[A-Za-z0-9_-]{43}"),
    _key("fly_token", "fm2_", "[A-Za-z0-9+/=]{100,1200}"),
    _key("supabase_key", "sbp_", "[0-9a-f]{40}"),
    _key("supabase_key", "sb_secret_", "[A-Za-z0-9_-]{30,60}"),
    _key("planetscale_token", "pscale_", "(?:pw|tkn|oauth)_[A-Za-z0-9_.=-]{32,64}"),
    _key("netlify_token", "nfp_", "[A-Za-z0-9]{36,40}"),
    _key("pulumi_token", "pul-", "[0-9a-f]{40}"),
    Rule("terraform_token", (b".atlasv1.",), rb"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}" + _END, behind=14),
    _key("vault_token", "hvs.", "[A-Za-z0-9_-]{24,300}", "hvb.", "hvr."),
    _key("doppler_token", "dp.", "(?:pt|st|ct|sa|scim|audit)\\.[A-Za-z0-9._-]{40,60}"),
    _key("onepassword_token", "ops_eyJ", "[A-Za-z0-9+/=_-]{200,1200}"),
    # where code is
    Rule(
        "github_token", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"), rb"gh[pousr]_[A-Za-z0-9]{36,255}" + _END,
        plausible.github,
    ),
    _key("github_token", "github_pat_", "[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _key(
        "gitlab_token", "glpat-", "[A-Za-z0-9_.-]{20,60}", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-",
        "glagent-", "gloas-", "glsoat-",
    ),
    Rule("npm_token", (b"npm_",), rb"npm_[A-Za-z0-9]{36}" + _END, plausible.github),
    _key("pypi_token", "pypi-", "[A-Za-z0-9_-]{60,250}"),
    _key("rubygems_key", "rubygems_", "[0-9a-f]{48}"),
    _key("docker_token", "dckr_", "(?:pat|oat)_[A-Za-z0-9_-]{27,40}"),
    _key("atlassian_token", "ATATT3", "[A-Za-z0-9_=-]{100,260}", "ATCTT3"),
    _key("buildkite_token", "bkua_", "[0-9a-f]{40}"),
    _key("sonar_token", "squ_", "[0-9a-f]{40}", "sqp_", "sqa_"),
    _key("artifactory_key", "AKCp", "[A-Za-z0-9]{69}"),
    _key("postman_key", "PMAK-", "[0-9a-f]{24}-[0-9a-f]{34}"),
    # what programs call
    Rule("stripe_key", (b"sk_live_", b"sk_test_", b"rk_live_", b"rk_test_"), rb"[sr]k_[a-z]{4}_[A-Za-z0-9]{16,247}" + _END),
    _key("webhook_secret", "whsec_", "[A-Za-z0-9+/=]{24,100}"),
    _key("slack_token", "xox", "[abeoprs](?:\\.[a-z]{4})?-[A-Za-z0-9-]{20,250}"),
    _key("slack_token", "xapp-", "[0-9]-[A-Z0-9]{8,14}-[0-9]{8,16}-[a-z0-9]{40,80}"),
    Rule(
        "slack_webhook", (b"hooks.slack.com/",),
        rb"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Z0-9]{6,14}/[A-Z0-9]{6,14}/[A-Za-z0-9]{18,32}" + _END,
    ),
    Rule("discord_webhook", (b"/api/webhooks/",), rb"/api/webhooks/[0-9]{16,20}/[A-Za-z0-9_-]{60,80}" + _END, inside=True),
    Rule("telegram_token", (b":AA",), rb"[0-9]{8,10}:AA[A-Za-z0-9_-]{32,33}" + _END, behind=10, inside=True, back=_DIGITS),
    _key("sendgrid_key", "SG.", "[A-Za-z0-9_-]{22}\\.[A-Za-z0-9_-]{43}"),
    _key("mailgun_key", "key-", "[0-9a-f]{32}"),
    _key("shopify_token", "shpat_", "[0-9a-fA-F]{32}", "shpca_", "shppa_", "shpss_"),
    _key("square_token", "sq0atp-", "[A-Za-z0-9_-]{22}", "sq0csp-"),
    _key("linear_key", "lin_api_", "[A-Za-z0-9]{40}", "lin_oauth_"),
    _key("notion_token", "ntn_", "[A-Za-z0-9]{40,50}"),
    _key("figma_token", "figd_", "[A-Za-z0-9_-]{40,60}", "figo_"),
    _key("newrelic_key", "NRAK-", "[A-Z0-9]{27}"),
    _key("grafana_token", "glsa_", "[A-Za-z0-9]{32}_[0-9a-fA-F]{8}"),
    _key("grafana_token", "glc_eyJ", "[A-Za-z0-9+/=]{30,400}"),
    _key("sentry_token", "sntrys_", "[A-Za-z0-9+/=_-]{60,400}", "sntryu_"),
    # what any of them may be
    Rule(
        "jwt", (b"eyJ",),
        rb"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{16,1400}" + _END,
    ),
    Rule(
        "bearer_token", (b"Bearer ", b"bearer "),
        rb"[Bb]earer ([A-Za-z0-9._~+/-]{20,600}={0,2})" + _END, plausible.random, guess=True,
    ),
    Rule(
        "password_in_url", (b"://",),
        rb"://[^\s:/@\"'<>\\]{0,64}:([^\s/@\"'<>\\]{3,200})@[A-Za-z0-9\[]", plausible.password, inside=True,
    ),
    Rule(
        "password_in_url", (b";Password=", b";Pwd=", b";password=", b";pwd="),
        rb";[A-Za-z]{3,8}=([^;\s\"'\\]{4,128})", plausible.password, inside=True,
    ),
    Rule(
        "env_secret",
        (b"KEY=", b"TOKEN=", b"SECRET=", b"PASSWORD=", b"PASSWD=", b"_PASS=", b"_PWD=", b"CREDENTIALS=", b"_AUTH="),
        rb"[A-Z][A-Z0-9_]{2,80}=[\"']?([^\s\"'`#;,()\[\]{}\\]{8,256})(?=$|[\s;,\\#\"'`])",
        plausible.set_value,
        behind=64,
        guess=True,
    ),
)  # fmt: skip
STORED = "stored_key"
"""A key that this gateway keeps for a backend."""
KINDS = tuple(dict.fromkeys([STORED, *(rule.kind for rule in RULES)]))
