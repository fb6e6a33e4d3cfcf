"""The query of a request: read into a typed structure, and described in OpenAPI from the same definition.

msgspec instead of FastAPI's own parameters, because theirs cost more than the whole lookup in Redis.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from storefront.contract import DEFAULT_SURFACE

LIMIT = 2**31 - 1
COMMA = "Comma-separated or repeated; write a comma within an id as `\\,` and a backslash before one as `\\\\`."
_PART = re.compile(r"(?:\\[,\\]|[^,])+")
_ESCAPED = re.compile(r"\\([,\\])")


Id = Annotated[str, Meta(min_length=1)]


class Page(msgspec.Struct, frozen=True):
    """What may be said about any list."""

    k: Annotated[int, Meta(ge=0, le=LIMIT, description="How many; more than the lists have gives what they have.")] = 10
    surface: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9][a-z0-9_-]{0,63}$",
            description="Where the list is shown.",
            examples=["home", "discover", "product"],
        ),
    ] = DEFAULT_SURFACE
    exclude: Annotated[list[str], Meta(description=f"Items not to show. {COMMA}", examples=[["22423"]])] = []
    offset: Annotated[int, Meta(ge=0, le=LIMIT, description="How many to skip: the next page.")] = 0
    version: Annotated[
        str | None, Meta(description="Stay in this version of the lists, as an earlier answer named it.")
    ] = None


class Recommend(Page, frozen=True):
    """The query of `/recommend`."""

    user_id: Annotated[
        Id | None, Meta(description="The shop's id of the shopper; none for an anonymous visitor.", examples=["17850"])
    ] = None
    country: Annotated[str | None, Meta(description="Of the visit, for the fallback.", examples=["GB"])] = None
    device: Annotated[str | None, Meta(description="Of the visit, for the fallback.", examples=["mobile"])] = None
    item: Annotated[
        Id | None, Meta(description="The page's item: its own list comes first where the surface has lists of items.")
    ] = None
    basket: Annotated[
        list[str], Meta(description=f"What lies in the basket: never shown, its items' lists merged. {COMMA}")
    ] = []
    why: Annotated[bool, Meta(description="Give the reasons too.")] = False


Q = TypeVar("Q", bound=Page)


def read(query: bytes, kind: type[Q]) -> Q:
    """The query string as a structure; names that it does not know are ignored.

    Raises:
        msgspec.ValidationError: a value is of the wrong type or out of bounds; the message names the parameter. Or the
            query is not UTF-8, which would ask for somebody else.
    """
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise msgspec.ValidationError(f"the query is not UTF-8, plain or percent-encoded: {error}") from error
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in ("exclude", "basket"):
            values.setdefault(name, []).extend(split(value))
        else:
            values[name] = value
    return msgspec.convert(values, kind, strict=False)


def split(text: str) -> list[str]:
    """The ids of a comma-separated value."""
    if "\\" not in text:
        return [part for part in text.split(",") if part]
    return [_ESCAPED.sub(r"\1", part) for part in _PART.findall(text)]


def join(ids: Sequence[str]) -> str:
    """The inverse of `split`."""
    return ",".join(each.replace("\\", "\\\\").replace(",", "\\,") for each in ids)


def parameters(kind: type[Page]) -> list[dict[str, Any]]:
    """The structure as OpenAPI's query parameters."""
    schema = msgspec.json.schema_components((kind,))[1][kind.__name__]
    found = []
    for name, details in schema["properties"].items():
        described = details.pop("description")
        found.append({"name": name, "in": "query", "required": False, "description": described, "schema": details})
    return found
