"""No provider's or vendor's name decides anything outside providers/ and kinds.py: compatible providers are rows. And
no protocol is named outside dialects/ and providers/: what one protocol has and another has not stands in its endpoint."""

from __future__ import annotations

import ast

from pointsman.kinds import BackendType, Protocol

from .test_shape import modules

VENDORS = {
    "openai", "anthropic", "groq", "openrouter", "azure", "ollama", "lmstudio", "lm studio", "vllm", "mlx", "mlx_lm",
    "llama.cpp", "llamacpp", "llama", "mistral", "deepseek", "gemini", "google", "bedrock", "aws", "together", "fireworks",
    "claude", "codex", "gpt", "x.ai", "xai", "cohere", "perplexity", "api.openai.com", "api.anthropic.com",
}  # fmt: skip
TYPES = {kind.name for kind in BackendType} - {"LOCAL"}
ALLOWED = ("providers/", "engines/", "kinds.py", "practice/")
"""engines/ has a row an engine; practice/ plays the vendors' protocols; providers/ is where their rows stand."""


def judged() -> dict[str, ast.Module]:
    return {name: tree for name, tree in modules().items() if not name.startswith(ALLOWED)}


def decisions(tree: ast.Module) -> list[ast.expr]:
    """Everything that is decided by: conditions of `if`, `while`, `assert`, conditional expressions, filters, `case`."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
            found.append(node.test)
        elif isinstance(node, ast.comprehension):
            found.extend(node.ifs)
        elif isinstance(node, ast.Compare):
            found.append(node)
        elif isinstance(node, ast.MatchValue):
            found.append(node.value)
    return found


def names_a_vendor(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
        return text.lower() in VENDORS
    if (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "BackendType"
    ):
        return node.attr in TYPES
    return False


def test_no_decision_is_made_by_a_vendors_name() -> None:
    found = {
        f"{name}:{expression.lineno} {ast.unparse(expression)}"
        for name, tree in judged().items()
        for expression in decisions(tree)
        if any(names_a_vendor(node) for node in ast.walk(expression))
    }
    assert found == set()


def test_no_text_is_searched_for_a_vendors_name() -> None:
    """`url.startswith("https://api.openai.com")` and the like, wherever they stand."""
    searches = ("startswith", "endswith", "find", "index", "count", "fullmatch", "match", "search")
    found = {
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, tree in judged().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in searches
        for argument in node.args
        for part in ast.walk(argument)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
        if any(vendor in part.value.lower() for vendor in ("openai", "anthropic"))
    }
    assert found == set()


PROTOCOLS_IN = (*ALLOWED, "dialects/", "upstream/tokenizer.py")
"""upstream/tokenizer.py: in which protocol two local engines' own path is asked, a row of probing."""
MEMBERS = {protocol.name for protocol in Protocol}
VALUES = {protocol.value for protocol in Protocol}


def names_a_protocol(node: ast.AST) -> bool:
    """`Protocol.OPENAI_CHAT`, whatever is done with it."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Protocol"
        and node.attr in MEMBERS
    )


def decides_by_a_protocols_text(tree: ast.Module) -> list[ast.expr]:
    """`== "openai_chat"`, `DIALECTS["openai_chat"]`, `{"openai_chat": ...}`, `case "openai_chat"`."""
    places = decisions(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            places.append(node.slice)
        elif isinstance(node, ast.Dict):
            places.extend(key for key in node.keys if key is not None)
    return [
        place
        for place in places
        if any(isinstance(one, ast.Constant) and one.value in VALUES for one in ast.walk(place))
    ]


def test_no_protocol_is_named_outside_dialects_and_providers() -> None:
    judged = {name: tree for name, tree in modules().items() if not name.startswith(PROTOCOLS_IN)}
    named = {
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, tree in judged.items()
        for node in ast.walk(tree)
        if names_a_protocol(node) and isinstance(node, ast.expr)
    }
    told = {
        f"{name}:{place.lineno} {ast.unparse(place)}"
        for name, tree in judged.items()
        for place in decides_by_a_protocols_text(tree)
    }
    assert named | told == set()


def test_the_guard_of_protocols_sees_what_it_should() -> None:
    for code in (
        "x if p is Protocol.ANTHROPIC_MESSAGES else y",
        "DIALECTS[Protocol.OPENAI_CHAT]",
        "def f(p: Protocol = Protocol.OPENAI_CHAT): ...",
        "ROWS = {Protocol.EMBEDDINGS: 1}",
        "match p:\n    case Protocol.COMPLETIONS:\n        pass",
    ):
        assert any(names_a_protocol(node) for node in ast.walk(ast.parse(code))), code
    for code in (
        'x if p == "anthropic_messages" else y',
        'DIALECTS["openai_chat"]',
        'ROWS = {"embeddings": 1}',
        'match p:\n    case "completions":\n        pass',
    ):
        assert decides_by_a_protocols_text(ast.parse(code)), code
    for code in (
        "def f(p: Protocol) -> None: ...",
        "Protocol(text)",
        'log("openai_chat")',
        "Other.OPENAI_CHAT",
    ):
        tree = ast.parse(code)
        assert not any(names_a_protocol(node) for node in ast.walk(tree)), code
        assert not decides_by_a_protocols_text(tree), code


def test_the_guard_itself_sees_what_it_should() -> None:
    for code in (
        'x if t == "openai" else y',
        "[a for a in b if a.type is BackendType.ANTHROPIC]",
        "assert host == b'groq'",
    ):
        assert any(names_a_vendor(node) for e in decisions(ast.parse(code)) for node in ast.walk(e)), code
    for code in (
        'x if t == "local" else y',
        "x = BackendType.OPENAI",
        'log("openai")',
        "t is BackendType.LOCAL",
    ):
        assert not any(names_a_vendor(node) for e in decisions(ast.parse(code)) for node in ast.walk(e)), code


# -- keys in clear

REVEALED = {
    "admin/control/auth.py",  # the admin token, into its private file
    "admin/control/own_key.py",  # the pages' own key, digested for the data plane
    "admin/control/play_run.py",  # the same, into the playground's own request
    "admin/control/last_good.py",  # the sealed file's own text, unpacked
    "admin/vault.py",  # sealing, and the fingerprint
    "cli/client.py",  # the admin token, into the command's own request
    "customs/inspection.py",  # what must not leave is looked for
    "link/frames.py",  # the wire between our own processes
    "process/environment.py",  # the pipe to the control plane
    "admin/__main__.py",  # the mapping that the vault reads, off that pipe
    "upstream/backend.py",  # the header that carries a backend's key
    "admin/store/client_keys.py",
    "process/settings.py",
    "admin/routers/config.py",  # of what a file makes, into the one answer that shows it
    "admin/routers/webhooks.py",  # a new webhook's secret, into the one answer that shows it
    "admin/store/webhooks.py",  # the key that signs
    "admin/control/recordings.py",  # a recording's own key, on its way to opening it
    "admin/control/captured.py",  # no key: sealed bodies, on their way to being redacted
}


def reveals(tree: ast.Module) -> int:
    return sum(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reveal"
        for node in ast.walk(tree)
    )


def test_a_secret_is_revealed_only_where_it_leaves() -> None:
    found = {name: count for name, tree in modules().items() if (count := reveals(tree))}
    assert set(found) == REVEALED
    assert found["upstream/backend.py"] == found["link/frames.py"] == 1


# -- the gateway reads a protocol through its dialect alone

SHARED_OF_DIALECTS = {
    "base",
    "beside",
    "bridge",
    "capsule",
    "endpoint",
    "fields",
    "framing",
    "headers",
    "media",
    "model_list",
    "paths",
    "recall",
    "registry",
}
"""What the gateway may import of dialects/: shapes, the list of dialects, and what is made of that list."""


def imports_of_dialects(tree: ast.Module) -> set[str]:
    """`base` of `from ...dialects.base import Seen`."""
    found = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {module.partition("dialects.")[2] for module in found if "dialects" in module.split(".")}


def test_the_gateway_knows_no_vendors_reading() -> None:
    found = {
        f"{name}: {module or 'dialects'}"
        for name, tree in modules().items()
        if name.startswith(("gateway/", "upstream/"))
        for module in imports_of_dialects(tree) - SHARED_OF_DIALECTS
    }
    assert found == set()
    assert imports_of_dialects(ast.parse("from ...dialects.vendor_errors import x")) == {"vendor_errors"}
    assert imports_of_dialects(ast.parse("import pointsman.dialects.openai_chat.seen")) == {
        "openai_chat.seen"
    }
