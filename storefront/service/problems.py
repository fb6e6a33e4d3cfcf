"""Errors as problem details, RFC 9457."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from storefront.contract import POINTER_SECONDS
from storefront.errors import NeedsKey, NoLists, RedisDown, UnknownSurface
from storefront.question import REFUSED

MEDIA_TYPE = "application/problem+json"
NO_STORE = {"Cache-Control": "no-store"}
WRONG = (*REFUSED, msgspec.ValidationError)
"""What a caller did wrong."""

Code = Literal["bad_request", "unknown_surface", "no_lists", "redis_down", "needs_key", "http", "internal"]


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457. `type` is always `about:blank`: `code` tells the cases apart, `detail` says what to do."""

    title: str
    status: int
    detail: str
    code: Code
    type: str = "about:blank"


def response(status: int, code: Code, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that tells a problem."""
    body = msgspec.json.encode(Problem(HTTPStatus(status).phrase, status, detail, code))
    return Response(body, status, {**NO_STORE, **(headers or {})}, MEDIA_TYPE)


def of(error: Exception) -> Response:
    """The answer for what a lookup raised."""
    match error:
        case UnknownSurface():
            return response(404, "unknown_surface", str(error))
        case NoLists():
            return response(503, "no_lists", str(error), {"Retry-After": str(POINTER_SECONDS)})
        case RedisDown():
            return response(503, "redis_down", str(error), {"Retry-After": str(max(1, math.ceil(error.retry_after)))})
        case NeedsKey():
            return response(500, "needs_key", str(error))
        case _:
            return response(422, "bad_request", str(error))


def install(app: FastAPI) -> None:
    """Unknown paths, wrong methods and failures of ours are told in the same way."""

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return response(
            error.status_code, "http", f"{request.method} {request.url.path}: {error.detail}", error.headers
        )

    async def internal(request: Request, error: Exception) -> Response:
        return response(500, "internal", "a fault of the service's; its log has the details")

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, internal)
