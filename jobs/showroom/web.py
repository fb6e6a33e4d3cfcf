"""The showroom's page and what it asks for; the storefront service mounts it where STOREFRONT_EXTENSIONS names it:
`jobs.showroom.web:router`.

It shows what shoppers did. It is for staff: put it behind the shop's own login (docs/showroom.md).
"""

import json
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, StreamingResponse
from fastapi.routing import APIRoute

from jobs.compare import lake_id
from jobs.showroom import versions
from jobs.showroom.goods import Goods, card
from jobs.showroom.shelves import Shelves
from jobs.showroom.shoppers import Shoppers
from lake.errors import BadInput, NightshelfError
from lake.settings import Settings
from lake.settings import settings as read_settings
from models.changes.comparer import Comparer, Told, days
from models.decisions import plain
from storefront.client import NoLists, StorefrontError
from storefront.contract import DEFAULT_SURFACE, canonical_id

PAGE = Path(__file__).parent / "page"
FILES = {path.name: path for path in PAGE.iterdir() if path.suffix in (".html", ".css", ".js", ".svg")}
"""What may be fetched; nothing else of the disk is ever looked at."""

SECURE = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
STALE_SECONDS = 36 * 3600.0
"""Age from which the page warns where the service was given no MAX_AGE_SECONDS of its own."""


class Showroom:
    """What the page rests on, made once a process."""

    def __init__(self, settings: Settings, max_age_seconds: float | None = None) -> None:
        self.settings, self.goods, self.shoppers = settings, Goods(settings), Shoppers(settings)
        self.shelves = Shelves(settings, self.goods, max_age_seconds or STALE_SECONDS)
        self.comparer = Comparer(settings)


@lru_cache(maxsize=1)
def _made(max_age_seconds: float | None) -> Showroom:
    return Showroom(read_settings(), max_age_seconds)


def showroom(request: Request) -> Showroom:
    """The process's showroom, by the lake's settings."""
    return _made(getattr(getattr(request.app.state, "settings", None), "max_age_seconds", None))


class ToldRoute(APIRoute):
    """A route whose errors reach the page as a sentence, and whose answers are never cached."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                answer = await handler(request)
            except NoLists as error:
                return _problem(404, error)
            except StorefrontError as error:
                return _problem(503, error)
            except NightshelfError as error:
                return _problem(422 if isinstance(error, BadInput) else 503, error)
            except ValueError as error:
                return _problem(422, error)
            answer.headers["Cache-Control"] = "no-store"
            return answer

        return told


def _problem(status: int, error: Exception) -> Response:
    return JSONResponse({"status": status, "detail": str(error)}, status, media_type="application/problem+json")


router = APIRouter(prefix="/shop", include_in_schema=False)
api = APIRouter(prefix="/api", route_class=ToldRoute)
Room = Annotated[Showroom, Depends(showroom)]
Surface = Annotated[str, Query(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
K = Annotated[int, Query(ge=1, le=1000)]


def _json(content: Any) -> Response:
    """Plain JSON: NaN and infinities as null, so that every browser reads it."""
    return JSONResponse(plain(content))


@api.get("/about")
def about(room: Room) -> Response:
    """What the page needs to know first."""
    try:
        countries = room.shelves.countries()
    except StorefrontError:
        countries = []
    told = {"pseudonyms": room.settings.pseudonymise, "surfaces": room.shelves.surfaces(), "countries": countries}
    return _json({**told, "days": days(room.settings)})


@api.get("/shoppers")
def shoppers(room: Room, q: str = "") -> Response:
    """Shoppers to choose from: a few of each kind, or those that a search finds.

    With pseudonyms on, `q` is the shop's whole id; the token is made here and the key never leaves.
    """
    if not q.strip():
        return _json({"kinds": room.shoppers.interesting()})
    if room.settings.pseudonymise:
        token = lake_id(room.settings, q)
        return _json({"found": [room.shoppers.find(token) or {"user": token, "events": None}]})
    return _json({"found": room.shoppers.search(canonical_id(q))})


@api.get("/surprise")
def surprise(room: Room) -> Response:
    """Any shopper."""
    return _json(room.shoppers.surprise())


@api.get("/history")
def history(room: Room, user: str) -> Response:
    """What a shopper did, with the cards of the items."""
    found, cards = room.shoppers.history(user), room.goods.cards()
    rows = [{**card(row["item"], cards), **row, "paid": row["price"]} for row in found["rows"]]
    return _json({**found, "rows": rows, "shopper": room.shoppers.find(user)})


@api.get("/list")
def shopper_list(
    room: Room,
    user: str | None = None,
    surface: Surface = DEFAULT_SURFACE,
    k: K = 20,
    country: str | None = None,
    device: str | None = None,
    version: str | None = None,
) -> Response:
    """A shopper's list; on a surface that has lists of items only, that of the item touched last."""
    kinds = {each["name"]: each["kinds"] for each in room.shelves.surfaces()}.get(surface, ["users"])
    if "users" not in kinds and user is not None and (item := room.shoppers.latest(user)) is not None:
        return _json({**room.shelves.of_item(item, surface, k), "beside": card(item, room.goods.cards())})
    return _json(room.shelves.of_shopper(user, surface, k, {"country": country, "device": device}, version))


@api.get("/item")
def item_page(room: Room, item: str) -> Response:
    """An item's card, how it fared, and its lists."""
    name, lists = canonical_id(item), []
    for surface in room.shelves.surfaces():
        if "items" in surface["kinds"] and "users" not in surface["kinds"]:
            try:
                lists.append({**room.shelves.of_item(name, surface["name"], 12), "about": surface["description"]})
            except NoLists as error:
                lists.append({"surface": surface["name"], "about": surface["description"], "missing": str(error)})
    told = {"card": card(name, room.goods.cards()), "curve": room.goods.curve(name), "facts": room.goods.facts(name)}
    return _json({**told, "lists": lists})


@api.get("/versions")
def surface_versions(room: Room, surface: Surface = DEFAULT_SURFACE) -> Response:
    """What stands in Redis and in the lake."""
    return _json(versions.overview(room.settings, surface))


@api.get("/compare")
def compare(
    room: Room,
    user: str,
    start: Annotated[str, Query(alias="from")],
    end: Annotated[str, Query(alias="to")],
    surface: Surface = DEFAULT_SURFACE,
) -> Response:
    """Two days' lists held against each other: lines of JSON, first what is being done, then the result."""

    def work(told: Told) -> dict[str, Any]:
        found, cards = room.comparer.compare(user, start, end, surface, told).to_dict(), room.goods.cards()
        changes = [{**card(change["item"], cards), **change} for change in found["changes"]]
        events = [{**card(item, cards), "type": kind, "day": day} for item, kind, day in found["events"]]
        return found | {"changes": changes, "events": events}

    return _streamed(work)


@api.get("/sources")
def sources(room: Room, user: str, ds: str, surface: Surface = DEFAULT_SURFACE) -> Response:
    """All sources that proposed each item of a day's list, by rank; lines of JSON as in `compare`."""
    return _streamed(lambda told: room.comparer.sources(user, ds, surface, told))


def _streamed(work: Callable[[Told], Any]) -> Response:
    """Work in a thread of its own, told line by line: `{"doing": ...}`, then `{"result": ...}` or `{"error": ...}`."""
    lines: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def run() -> None:
        try:
            lines.put({"result": plain(work(lambda text: lines.put({"doing": text})))})
        except (NightshelfError, ValueError) as error:
            lines.put({"error": str(error)})
        except Exception as error:
            lines.put({"error": f"{type(error).__name__}: {error}; the service's log has more"})
            raise
        finally:
            lines.put(None)

    def told() -> Iterator[str]:
        threading.Thread(target=run, name="showroom", daemon=True).start()
        while (line := lines.get()) is not None:
            yield json.dumps(line, ensure_ascii=False) + "\n"

    return StreamingResponse(told(), media_type="application/x-ndjson")


router.include_router(api)


@router.get("")
def door() -> Response:
    """The page's address with its slash, from which the page's own files are found."""
    return RedirectResponse("/shop/", 308)


@router.get("/")
def page() -> Response:
    """The page itself."""
    return FileResponse(FILES["index.html"], headers=SECURE)


@router.get("/{name}")
def file(name: str) -> Response:
    """A file of the page."""
    found = FILES.get(name)
    return FileResponse(found, headers=SECURE) if found else JSONResponse({"detail": "there is no such file"}, 404)
