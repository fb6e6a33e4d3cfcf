"""Which lists one can go back to: `python -m jobs.versions [--surface home] [--json]` shows what stands in Redis.

For each: when it was made, of which day, by which bundle, how many lists, how much memory, and which pointers name it.
`python -m jobs.rollback --to VERSION` lets readers follow one of them.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from jobs.publication.door import open_redis
from jobs.publication.standing import in_redis, memory
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from storefront.contract import DEFAULT_SURFACE, BadName, current_key

MIB = 2**20


def versions(settings: Settings, surface: str = DEFAULT_SURFACE) -> dict[str, Any]:
    """The versions of a surface that stand in Redis, newest first.

    Returns:
        surface, current (None where nothing is published), experiment, and versions: version, state, pointers
        (`current`, `arm treatment`), way_back (the current lists replaced it), bytes (estimated; None where Redis
        does not tell), and what the meta holds: generated_at, data_through, bundle, users, items, content_hash,
        status, replaces, arm.

    Raises:
        BadInput: the surface cannot be one.
        Unavailable: Redis does not answer.
    """
    try:
        current_key(surface)
    except BadName as error:
        raise BadInput(f"--surface: {error}") from error
    with open_redis(settings) as redis:
        found = in_redis(redis, surface)
        sizes = memory(redis, surface, found["versions"])
    current: dict[str, Any] = next((each for each in found["versions"] if each["current"]), {})
    told = []
    for each in found["versions"]:
        pointers = [*(["current"] if each["current"] else []), *(f"arm {arm}" for arm in each["arms"])]
        named = {key: value for key, value in each.items() if key not in ("current", "arms")}
        size = None if sizes is None else sizes.get(each["version"])
        back = each["version"] == current.get("replaces")
        told.append({**named, "pointers": pointers, "way_back": back, "bytes": size})
    return {"surface": surface, "current": found["current"], "experiment": found["experiment"], "versions": told}


def page(found: dict[str, Any]) -> Iterator[str]:
    """The versions as a table for a person."""
    if not found["versions"]:
        yield f"{found['surface']}: no version stands; nothing was ever published, or Redis was emptied"
        return
    row = "{:<24} {:<21} {:<11} {:>7} {:>9} {:>9}  {}"
    yield row.format("version", "made (UTC)", "data of", "bundle", "shoppers", "memory", "")
    for each in found["versions"]:
        size = "?" if each["bytes"] is None else f"{each['bytes'] / MIB:.1f} MiB"
        notes = [*each["pointers"], each["state"], *(["way back"] if each["way_back"] else [])]
        if each.get("arm"):
            notes.append(f"made for arm {each['arm']}")
        cells = (each.get(name, "?") for name in ("generated_at", "data_through", "bundle", "users"))
        yield row.format(each["version"], *cells, size, ", ".join(notes))


def show(settings: Settings, surface: str, as_json: bool = False) -> dict[str, Any]:
    """The whole for a program, or a table for a person and in short what is in it."""
    found = versions(settings, surface)
    if as_json:
        return found
    print("\n".join(page(found)))
    return {"surface": surface, "current": found["current"], "versions": len(found["versions"])}


def main(
    surface: Annotated[str, typer.Option(help="Surface to look at.")] = DEFAULT_SURFACE,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object, and no table.")] = False,
) -> None:
    """Show which versions of a surface's lists stand in Redis."""
    finish("jobs.versions", lambda s: show(s, surface, as_json))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(main)
    app()
