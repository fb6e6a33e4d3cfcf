"""Makes every list of a day: `python -m jobs.lists --ds D [--bundle VERSION]`.

Pins one bundle, reads one snapshot, scores active shoppers in batches, applies each surface's
policy, gates the result and only then replaces the day's partition of `lists`.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer
from deltalake.exceptions import CommitFailedError

from jobs.publication.assembling import COLUMNS, ContentHash, assemble
from jobs.publication.partition import record_name
from jobs.publication.rows import RowWriter
from lake import storage
from lake.clock import parse_day
from lake.columns import Columns as C
from lake.command import finish
from lake.errors import BadInput, Unavailable
from lake.partitions import record
from lake.settings import Settings
from lake.tables import TABLES
from models import surfaces
from models.bundle import Bundle
from models.candidates.related import COMPLEMENT, SUBSTITUTE
from models.policy import merchandising
from models.policy.diversity import position_in_group
from models.policy.merchandising import Numbered
from models.policy.reasons import Explainer
from models.policy.repeats import first_of_pair
from models.policy.surface_lists import SurfacePolicy
from models.registry import Registry
from models.snapshot import Snapshot
from models.surfaces import Kind, Surface

log = logging.getLogger("nightshelf.lists")

BATCH_USERS = 2048
BATCH_ITEMS = 8192
PROGRESS_SECONDS = 10.0
PARTNERS = {"complements": (COMPLEMENT,), "similar": (SUBSTITUTE,), "both": (COMPLEMENT, SUBSTITUTE)}
"""What a surface's `item_lists` hold."""


@dataclass(frozen=True)
class _Shelf:
    """One surface being filled."""

    surface: Surface
    policy: SurfacePolicy
    rows: RowWriter
    parts: list[pa.Table]


def lists(settings: Settings, ds: str, bundle: str | None = None) -> dict[str, Any]:
    """Make, gate and store the lists of day `ds`.

    Args:
        bundle: version or alias to rank with; the champion by default.

    Returns:
        users, items, segments (owners with a list on any surface), rows, bundle, gate, content_hash by surface.

    Raises:
        BadInput: no champion, no features as of the day, or a wrong surface file.
        GateFailed: the lists breach a rule; the day's lists stay as they were.
        Unavailable: MLflow is away and nothing is cached, or another run replaced the day at the same time.
    """
    day = parse_day(ds, "--ds")
    shown, rules = surfaces.load(settings.surfaces), merchandising.load(settings)
    merchandising.warn_of_unknown_surfaces(rules, set(shown))
    version, pinned = _pin(settings, bundle)
    snapshot = Snapshot.load(settings, day)
    users = active_users(snapshot, settings.active_days)
    log.info("%s: %d active of %d shoppers, %d items", ds, len(users), len(snapshot.users), len(snapshot.items))
    made = make(settings, pinned, version, snapshot, list(shown.values()), users, rules)
    report = _gate(settings, made, day, shown, len(users))
    digests = _store(settings, made, ds, list(shown))
    owners = {kind: len(_owners(made, kind)) for kind in ("user", "item", "segment")}
    return {
        "ds": ds,
        "users": owners["user"],
        "items": owners["item"],
        "segments": owners["segment"],
        "rows": len(made),
        "bundle": version,
        "gate": "passed" if report.success else "failed",
        "warnings": len(report.warnings),
        "data_docs": report.docs_url,
        "content_hash": digests,
    }


def active_users(snapshot: Snapshot, days: int) -> list[str]:
    """Shoppers with an event in the last `days` days to the snapshot's day, ascending."""
    latest = np.full(len(snapshot.users), np.inf, np.float32)
    known = snapshot.events.user >= 0
    np.minimum.at(latest, snapshot.events.user[known], snapshot.events.age_days[known])
    return list(snapshot.users[latest <= days])


def make(
    settings: Settings,
    bundle: Bundle,
    version: str,
    snapshot: Snapshot,
    shown: list[Surface],
    users: list[str],
    rules: tuple[Numbered, ...] = (),
) -> pa.Table:
    """All rows of a day, by surface: segments, items, users. The same inputs give the same rows.

    Args:
        rules: merchandisers' rules.
    """
    ds = snapshot.as_of.isoformat()
    shelves = []
    for surface in shown:
        policy = SurfacePolicy(surface, snapshot, surface.k or settings.list_length, rules)
        shelves.append(_Shelf(surface, policy, RowWriter(snapshot, surface.name, ds, version), []))
    for shelf in _having(shelves, "segments"):
        shelf.parts.append(shelf.rows.segments(shelf.policy.segments()))
    _relate(bundle, snapshot, [shelf for shelf in _having(shelves, "items") if shelf.surface.related])
    ranked = _having(shelves, "users")
    explainer = Explainer(bundle, snapshot)
    for batch in _batches(users) if ranked else ():
        _rank(settings, bundle, snapshot, ranked, batch, explainer)
    nothing = TABLES["lists"].arrow_schema().empty_table()
    return pa.concat_tables([nothing, *(part for shelf in shelves for part in shelf.parts)])


def _rank(
    settings: Settings,
    bundle: Bundle,
    snapshot: Snapshot,
    shelves: list[_Shelf],
    users: list[str],
    explainer: Explainer,
) -> None:
    """Score a batch of users, once for all surfaces that want the same, and let each choose from it.

    Surfaces of new items are scored by themselves: the sources dig deeper for them, below what the shopper had.
    """
    rows, owners = snapshot.rows_of(users), pa.array(users, pa.string())
    for only_new, group in groupby(sorted(shelves, key=_only_new), key=_only_new):
        bounds = {"memory_mb": settings.scoring_memory_mb, "threads": settings.threads}
        ranked = bundle.score(snapshot, users, only_new=only_new, **bounds)
        for shelf in group:
            entries = shelf.policy.lists(ranked, rows)
            shelf.parts.append(shelf.rows.users(owners, entries, explainer.of(users, entries)))


def _only_new(shelf: _Shelf) -> bool:
    return shelf.surface.only_new


def _having(shelves: list[_Shelf], kind: Kind) -> list[_Shelf]:
    return [shelf for shelf in shelves if kind in shelf.surface.kinds]


def _relate(bundle: Bundle, snapshot: Snapshot, shelves: list[_Shelf]) -> None:
    """The lists of items: partners that may be shown, for every item of the catalogue that has some."""
    longest = max((shelf.surface.related for shelf in shelves), default=0)
    for start in range(0, len(snapshot.items) if longest else 0, BATCH_ITEMS):
        owners = np.arange(start, min(start + BATCH_ITEMS, len(snapshot.items)), dtype=np.int32)
        # Twice as many, since some are out of stock.
        related = bundle.related(snapshot, list(snapshot.items[owners]), 2 * longest)
        for shelf in shelves:
            wanted = np.isin(related.kind, PARTNERS[shelf.surface.item_lists]) & shelf.policy.allowed[related.item]
            mine = related.take(wanted)
            # What goes well and is similar too stands where it goes well.
            mine = mine.take(first_of_pair(mine.owner, mine.item))
            rank = (position_in_group(mine.owner, np.zeros_like(mine.owner)) + 1).astype(np.int32)
            cut = rank <= min(shelf.surface.related, shelf.policy.k)
            shelf.parts.append(shelf.rows.items(mine.take(cut), rank[cut], owners))


def _batches(users: list[str]) -> Iterator[list[str]]:
    started = told = time.monotonic()
    for start in range(0, len(users), BATCH_USERS):
        yield users[start : start + BATCH_USERS]
        now, done = time.monotonic(), min(start + BATCH_USERS, len(users))
        if now - told >= PROGRESS_SECONDS or done == len(users):
            told = now
            rate = done / max(now - started, 1e-9)
            log.info("%d of %d shoppers, %.0f/s, %.0f s left", done, len(users), rate, (len(users) - done) / rate)


def _pin(settings: Settings, wanted: str | None) -> tuple[str, Bundle]:
    found = Registry(settings).resolve(wanted or "champion")
    if found is None:
        raise BadInput(f"no bundle {wanted or 'champion'!r} is registered; train one: python -m models.training --ds D")
    version, path = found
    return version, Bundle.load(path)


def _gate(settings: Settings, made: pa.Table, day: date, shown: dict[str, Surface], users: int) -> Any:
    from validation.gate import gate  # its imports cost seconds that no other command should pay

    lengths = {name: surface.k or settings.list_length for name, surface in shown.items()}
    filled = {name: length for name, length in lengths.items() if shown[name].rules.due is None}
    whole = [name for name in filled if "users" in shown[name].kinds]
    fallbacks = [name for name, surface in shown.items() if "segments" in surface.kinds]
    context = {
        "list_length": lengths,
        "full_length": filled,
        "expected_users": dict.fromkeys(whole, users),
        "fallbacks": fallbacks,
    }
    return gate("lists", made, [day.isoformat()], settings=settings, context=context)


def _store(settings: Settings, made: pa.Table, ds: str, shown: list[str]) -> dict[str, str]:
    """Replace the day and leave its content hashes in `partitions`, which the publication holds its reading against.

    A surface with nothing to show for anybody has its record too: its old lists must not go on serving.
    """
    marks, digests = [], {}
    for surface in shown:
        part, content = made.filter(pc.equal(made[C.SURFACE], surface)), ContentHash()
        for whole in assemble(part.select(list(COLUMNS)).to_batches(max_chunksize=65_536)):
            content.add(whole)
        digests[surface] = content.hexdigest()
        marks.append((record_name(surface), ds, len(part), digests[surface]))
    total = sum(int(digest, 16) for digest in digests.values()) & (2**64 - 1)
    marks.append(("lists", ds, len(made), f"{total:016x}"))
    try:
        written = storage.replace_days(settings, "lists", made, [ds])
    except CommitFailedError as error:
        raise Unavailable(
            f"lists of {ds}: another run replaced them at the same time ({error}); run this again"
        ) from error
    record(settings, marks, written, "lists")
    log.info("lists of %s: %d rows, %s", ds, len(made), digests)
    return digests


def _owners(made: pa.Table, kind: str) -> pa.Array:
    return pc.unique(made.filter(pc.equal(made[C.KIND], kind))[C.OWNER])


def main(
    ds: Annotated[str, typer.Option("--ds", help="Day whose events the lists know (data_through), YYYY-MM-DD.")],
    bundle: Annotated[str | None, typer.Option(help="Bundle version or alias; the champion by default.")] = None,
) -> None:
    """Make, gate and store every list of a day."""
    finish("lists", lambda s: lists(s, ds, bundle))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(main)
    app()
