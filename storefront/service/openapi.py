"""What the OpenAPI document says beyond the code: examples, and the schemas of answers and problems."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from storefront.answer import Answer
from storefront.contract import Reason
from storefront.service.problems import MEDIA_TYPE, Problem
from storefront.service.query import Page, parameters

EXAMPLE = Answer(
    items=("85123A", "22423"),
    reasons=(Reason("co", "22720"), Reason("bought", "22423")),
    k=2,
    k_asked=2,
    fallback="user",
    surface="home",
    version="20261123T021500Z-3fa2c1",
    data_through="2026-11-22",
    generated_at="2026-11-23T02:15:00Z",
    bundle="7",
    age_seconds=21600.0,
    experiment="ranker",
    arm="treatment",
)
DESCRIPTION = """Every shopper's recommendations, made last night and ready to show.

An answer always says from which version of the lists it comes, how old they are and whose list it is. Errors are
problem details (RFC 9457): 422 for a wrong parameter, 404 for an unknown surface, 503 with `Retry-After` while Redis is
away or nothing is published."""
PROBLEMS = {
    404: "There is no such surface.",
    422: "A parameter is wrong; `detail` says which and why.",
    500: "The lists are filed under pseudonyms and the service has no key, or a fault of the service's.",
    503: "Redis is away, or nothing is published.",
}


def lookup(kind: type[Page], *path: dict[str, Any]) -> dict[str, Any]:
    """What a route for lookups adds to its description."""
    return {"parameters": [*path, *parameters(kind)], "responses": {"200": answer(), **problems(*PROBLEMS)}}


def answer() -> dict[str, Any]:
    """The description of an answer."""
    content = {"schema": {"$ref": "#/components/schemas/Answer"}, "example": msgspec.to_builtins(EXAMPLE)}
    return {"description": "What to show, and how it came about.", "content": {"application/json": content}}


def problems(*statuses: int) -> dict[str, Any]:
    """The descriptions of problems."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {str(s): {"description": PROBLEMS[s], "content": {MEDIA_TYPE: schema}} for s in statuses}


def install(app: FastAPI) -> None:
    """Serve the document with the schemas that the routes name."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _, schemas = msgspec.json.schema_components((Answer, Problem), ref_template="#/components/schemas/{name}")
            made.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
