"""A page that explains the API, made on the server from its own description: no script, nothing from elsewhere."""

import json
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from service.web.pages.frame import page

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def reference(request: Request) -> Response:
    """Show every operation with its parameters, an example of a request, and its answers."""
    described = request.app.openapi()
    return page(
        request,
        None,
        "reference.html",
        described=described,
        operations=_operations(request.app),
        service=str(request.base_url).rstrip("/"),
    )


@lru_cache(maxsize=1)
def _operations(app: FastAPI) -> list[dict[str, Any]]:
    """Return what the page shows of every operation."""
    described = app.openapi()
    return [
        _operation(described, path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def _operation(
    described: dict[str, Any], path: str, method: str, operation: dict[str, Any]
) -> dict[str, Any]:
    """Return what the page shows of an operation."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = example_of(described, content["schema"]) if content else None
    parameters = operation.get("parameters", [])
    shown = path
    for parameter in parameters:
        if parameter["in"] == "path":
            shown = shown.replace(f"{{{parameter['name']}}}", str(_example_value(parameter)))
    return {
        "method": method.upper(),
        "path": path,
        "shown": shown,
        "operation": operation,
        "parameters": parameters,
        "body": json.dumps(body, ensure_ascii=False) if body is not None else "",
        "signed_in": bool(operation.get("security")),
    }


def _example_value(parameter: dict[str, Any]) -> Any:
    examples = parameter.get("schema", {}).get("examples") or [parameter["name"]]
    return examples[0]


def example_of(described: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Make an example of a schema: from its examples, or field by field; optional fields without one are left out."""
    if "$ref" in schema:
        return example_of(described, described["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if schema.get("examples"):
        return schema["examples"][0]
    if "default" in schema or "const" in schema:
        return schema.get("default", schema.get("const"))
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example_of(described, schema[key][0])
    if schema.get("type") == "object":
        required = set(schema.get("required", []))
        return {
            name: example_of(described, field)
            for name, field in schema.get("properties", {}).items()
            if name in required or field.get("examples")
        }
    if schema.get("type") == "array":
        return [example_of(described, schema.get("items", {}))]
    return {"integer": 1, "number": 1.0, "boolean": True, "string": "…"}.get(str(schema.get("type")))
