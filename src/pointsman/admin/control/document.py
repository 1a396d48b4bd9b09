"""What FastAPI cannot know of the admin API's OpenAPI document: the token, the shape of problems, how what was made is
found again. Pure. Not here: which statuses a route has (routers/base.py)."""

from __future__ import annotations

from typing import Any

_BODY = "$response.body#/"


def completed(document: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's document, completed in place. problem: the schema of problem+json."""
    parts = document["components"]
    schemas = parts["schemas"]
    schemas["Problem"] = problem
    whole = schemas["CloudCredentialCreate"]
    named_by_path = {"backend_type", "name"}
    schemas["CloudCredentialPut"] = {
        **whole,
        "title": "CloudCredentialPut",
        "required": [name for name in whole["required"] if name not in named_by_path],
    }
    parts["securitySchemes"] = {"admin_token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"admin_token": []}]
    for path, item in document["paths"].items():
        made = item.get("post", {}).get("responses", {}).get("201")
        if made is not None:
            made["links"] = _links(document, path, made)
    return document


def _links(document: dict[str, Any], path: str, made: dict[str, Any]) -> dict[str, Any]:
    """What can be done with what a POST made: the operations below its path, by fields of its answer."""
    shape = made["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    fields = document["components"]["schemas"][shape]["properties"]
    links: dict[str, Any] = {}
    items = [below for below in document["paths"] if below.startswith(path + "/{")]
    named_whole = max(
        (below.count("{") for below in items), default=0
    )  # `/openai` is the default one, not `openai/groq`
    for below in items:
        item = document["paths"][below]
        if below.count("{") < named_whole:
            continue
        names = [part[1:-1] for part in below.split("/") if part.startswith("{")]
        given = {name: _BODY + (name if name in fields else "id") for name in names}
        for operation in item.values():
            links[operation["operationId"]] = {
                "operationId": operation["operationId"],
                "parameters": given,
            }
    return links
