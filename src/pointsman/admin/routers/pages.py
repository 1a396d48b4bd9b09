"""`/ui` until there are pages: one honest page with the status and where the API's document is. No script,
no form."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from string import Template

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from .base import Run
from .status import status_of

router = APIRouter(include_in_schema=False)

_STYLE = """
:root { color-scheme: light dark; --fg: #1b1f24; --bg: #ffffff; --soft: #57606a; --line: #d0d7de;
  --ok: #116329; --bad: #a40e26; }
@media (prefers-color-scheme: dark) {
  :root { --fg: #e6edf3; --bg: #0d1117; --soft: #9da7b3; --line: #30363d; --ok: #56d364; --bad: #ff8182; } }
body { color: var(--fg); background: var(--bg); font: 1rem/1.55 system-ui, sans-serif; max-width: 44rem;
  margin: 0 auto; padding: 1.5rem 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; }
.soft { color: var(--soft); }
.ok { color: var(--ok); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
pre { border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow-x: auto; }
code { font: .875rem/1.5 ui-monospace, monospace; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pointsman: $word</title>
<style>$style</style>
</head>
<body>
<header>
<h1>Pointsman</h1>
<p class="soft">Version $version. One endpoint for every language model.</p>
</header>
<main>
<h2>Status</h2>
$state
<dl>$facts</dl>
<h2>Try it</h2>
<pre tabindex="0" role="region" aria-label="A request to try"><code>curl $url/v1/chat/completions \\
  -H 'content-type: application/json' \\
  -d '{"model": "practice", "messages": [{"role": "user", "content": "Hello"}]}'</code></pre>
<h2>Change it</h2>
<p>There are no pages for rules and keys yet. Use the commands (<code>pointsman --help</code>) or the
admin API, whose document is <code>/api/openapi.json</code>. Every call needs the admin token, which is the
text of the file <code>admin-token</code> in the data folder:</p>
<pre tabindex="0" role="region" aria-label="How to authorise"><code>curl $url/api/openapi.json \\
  -H "authorization: Bearer $$(cat DATA-FOLDER/admin-token)"</code></pre>
</main>
</body>
</html>
""")


@router.get("/")
async def home() -> Response:
    """Browsers start here."""
    return RedirectResponse("/ui", status_code=307)


@router.head("/")
async def home_head() -> Response:
    """Claude Code asks whether anybody is here."""
    return Response()


@router.api_route("/ui", methods=["GET", "HEAD"])
async def page(control: Run) -> HTMLResponse:
    """Status, counts, and how to go on."""
    status = status_of(control)
    url = status.url or "http://127.0.0.1:4480"
    keys = f"{status.client_keys} ({'every request needs one' if status.keys_required else 'none needed'})"
    facts = {
        "Address": url,
        "Rules": status.mappings,
        "Backends": status.backends,
        "Client keys": keys,
        "Data-plane processes": len(status.workers),
        "Running since": status.started_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
    }
    html = _PAGE.substitute(
        word="ready" if status.ready else "degraded",
        style=_STYLE,
        version=escape(status.version),
        state=_state(status.problems),
        facts="".join(
            f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items()
        ),
        url=escape(url),
    )
    return HTMLResponse(html, headers={"content-security-policy": _POLICY})


def _state(problems: list[str]) -> str:
    if not problems:
        return '<p><span class="ok">Ready.</span> Every stored key can be used.</p>'
    reasons = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
    return (
        '<p><span class="bad">Degraded.</span> What does not need this is served all the same:</p>'
        f"<ul>{reasons}</ul>"
    )
