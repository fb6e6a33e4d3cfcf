"""The application: lookups, health, metrics, and what others mount.

`create_app(settings)` makes it; extensions find the client as `request.app.state.storefront` and the settings as
`request.app.state.settings`.
"""

import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from uvicorn.importer import ImportFromStringError, import_from_string

from storefront.aio import AsyncStorefront
from storefront.answer import Answer
from storefront.breaker import Breaker
from storefront.contract import DEFAULT_SURFACE
from storefront.errors import StorefrontError
from storefront.service import metrics, openapi, problems, query
from storefront.service.settings import ServiceSettings, words


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response, without FastAPI's work for parameters."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


router = APIRouter()
lookups = APIRouter(route_class=DirectRoute)
JSON = "application/json"
ITEM = {
    "name": "item_id",
    "in": "path",
    "required": True,
    "description": "The page's item; may hold slashes. `/recommend?item=` takes the same, whatever the id looks like.",
    "schema": {"type": "string", "minLength": 1, "examples": ["22423"]},
}


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The application by its settings, those of the environment unless given.

    Raises:
        uvicorn.importer.ImportFromStringError: an extension cannot be imported.
        OSError: the key's file cannot be read.
    """
    settings = settings or ServiceSettings()
    key = settings.key()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.storefront = AsyncStorefront(
            settings.redis_url,
            user_key=key,
            max_age_seconds=settings.max_age_seconds,
            timeout=settings.timeout_seconds,
            retries=settings.retries,
            connections=settings.connections,
            keep_segments=settings.keep_segments,
            breaker=Breaker(settings.breaker_failures, settings.breaker_seconds),
            watch=app.state.metrics,
        )
        # What stands now stands for good: the collector need not walk through it while a shopper waits.
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()
        await app.state.storefront.close()
        app.state.metrics.close()

    # No pages of FastAPI's for the document: they load scripts from elsewhere.
    app = FastAPI(
        title="Nightshelf storefront",
        version="1",
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings, app.state.metrics = settings, metrics.Metrics(settings.max_age_seconds)
    if origins := words(settings.cors_origins):
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET"])
    problems.install(app)
    openapi.install(app)
    app.include_router(lookups)
    app.include_router(router)
    for name in words(settings.extensions):
        extension = _imported(name)
        if isinstance(extension, APIRouter):
            app.include_router(extension)
        else:
            extension(app)
    return app


@lookups.get("/recommend", openapi_extra=openapi.lookup(query.Recommend), summary="What to show a shopper")
async def recommend(request: Request) -> Response:
    """The shopper's own list; else the segments' that hold for the visit, in order; else everybody's."""
    try:
        asked = query.read(request.scope["query_string"], query.Recommend)
    except msgspec.ValidationError as error:
        return _refused(request, error)
    shop: AsyncStorefront = request.app.state.storefront
    return await _answered(
        shop.recommend(
            asked.user_id,
            asked.k,
            surface=asked.surface,
            context={"country": asked.country, "device": asked.device},
            exclude=asked.exclude,
            offset=asked.offset,
            version=asked.version,
            item=asked.item,
            basket=asked.basket,
            why=asked.why,
        )
    )


@lookups.get(
    "/related/{item_id:path}", openapi_extra=openapi.lookup(query.Page, ITEM), summary="What goes with an item"
)
async def related(request: Request) -> Response:
    """The item's own list on a surface that has lists of items, else everybody's."""
    try:
        asked = query.read(request.scope["query_string"], query.Page)
    except msgspec.ValidationError as error:
        return _refused(request, error)
    shop: AsyncStorefront = request.app.state.storefront
    return await _answered(
        shop.related(
            request.path_params["item_id"],
            asked.k,
            surface=asked.surface,
            exclude=asked.exclude,
            offset=asked.offset,
            version=asked.version,
        )
    )


@router.get("/healthz", tags=["operation"], summary="The process is alive")
async def healthz() -> dict[str, str]:
    """Asks nobody: a restart would not heal a Redis that is away."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    tags=["operation"],
    summary="Redis answers and lists are published",
    openapi_extra={"responses": openapi.problems(500, 503)},
)
async def readyz(request: Request) -> Response:
    """Names the version that stands on the default surface; 503 says what is missing."""
    try:
        meta = await request.app.state.storefront.ready(DEFAULT_SURFACE)
    except StorefrontError as error:
        return problems.of(error)
    told = {"status": "ready", "surface": DEFAULT_SURFACE, "version": meta.version, "data_through": meta.data_through}
    return Response(msgspec.json.encode(told), headers=problems.NO_STORE, media_type=JSON)


@router.get("/metrics", tags=["operation"], summary="Counts and times for Prometheus", response_class=Response)
async def prometheus(request: Request) -> Response:
    """Text in Prometheus' exposition format."""
    return Response(request.app.state.metrics.text(), media_type=metrics.CONTENT_TYPE)


def _imported(name: str) -> Any:
    try:
        return import_from_string(name)
    except ImportError as error:
        raise ImportFromStringError(f"STOREFRONT_EXTENSIONS: {name} cannot be imported: {error}") from error


async def _answered(lookup: Coroutine[Any, Any, Answer]) -> Response:
    try:
        answer = await lookup
    except (*problems.WRONG, StorefrontError) as error:
        return problems.of(error)
    return Response(msgspec.json.encode(answer), headers=problems.NO_STORE, media_type=JSON)


def _refused(request: Request, error: msgspec.ValidationError) -> Response:
    request.app.state.metrics.failed("bad_request", 0.0)
    return problems.of(error)
