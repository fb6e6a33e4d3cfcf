"""Makes every list of a day: `python -m jobs.lists --ds D [--bundle VERSION]`.

Pins one bundle, reads one snapshot, scores active shoppers in batches, applies each surface's
policy, gates the result and only then replaces the day's partition of `lists`.

The arms of experiments are made along with them, from the same scores where they have the same bundle. An arm that
cannot be made, or that the gate refuses, is left out and told; the surfaces' own lists stand without it.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer
from deltalake.exceptions import CommitFailedError

from jobs import lists_on_spark
from jobs.publication.partition import record_name
from jobs.shelves import Arm, Pinned, Shelf, build, of_arms, rank, sparing
from jobs.spool import Files, Spooled
from lake import staging, storage
from lake.clock import parse_day
from lake.command import finish
from lake.errors import BadInput, GateFailed, Unavailable
from lake.partitions import Read, record
from lake.prometheus import metrics as prometheus
from lake.settings import Settings
from models import decisions, device, surfaces
from models.bundle import Bundle
from models.candidates.related import COMPLEMENT, SUBSTITUTE
from models.changes import recipe, standing
from models.changes.recipe import Recipe
from models.policy import merchandising
from models.policy.diversity import position_in_group
from models.policy.merchandising import Numbered
from models.policy.reasons import Explainer
from models.policy.repeats import first_of_pair
from models.registry import Registry
from models.snapshot import Snapshot
from models.surfaces import Kind, Surface

log = logging.getLogger("nightshelf.lists")

BATCH_USERS = 2048
BATCH_ITEMS = 8192
PROGRESS_SECONDS = 10.0
PARTNERS = {"complements": (COMPLEMENT,), "similar": (SUBSTITUTE,), "both": (COMPLEMENT, SUBSTITUTE)}
"""What a surface's `item_lists` hold."""


def lists(settings: Settings, ds: str, bundle: str | None = None) -> dict[str, Any]:
    """Make, gate and store the lists of day `ds`.

    Args:
        bundle: version or alias to rank with; the champion by default.

    Returns:
        users, items, segments (owners with a list on any surface), rows, bundle, gate, content_hash by surface, and
        arms_left_out, with the reason.

    Raises:
        BadInput: no champion, no features as of the day, or a wrong surface file.
        GateFailed: the lists breach a rule; the day's lists stay as they were.
        Unavailable: MLflow is away and nothing is cached, or another run replaced the day at the same time.
    """
    day = parse_day(ds, "--ds")
    shown, rules = surfaces.load(settings.surfaces), merchandising.load(settings)
    merchandising.warn_of_unknown_surfaces(rules, set(shown))
    pinned = _pin(settings, bundle)
    arms, left_out = of_arms(shown, pinned, lambda wanted: _pin(settings, wanted))
    snapshot = Snapshot.load(settings, day)
    users = active_users(snapshot, settings.active_days)
    log.info("%s: %d active of %d shoppers, %d items", ds, len(users), len(snapshot.users), len(snapshot.items))
    with staging.folder(settings, f"lists-{ds}") as place:
        files = Files(settings, place)
        shelves, failed = build(snapshot, list(shown.values()), pinned, arms, settings.list_length, rules, files.spool)
        fill(settings, files, snapshot, shelves, users)
        left_out |= failed | {each.name: each.failure for each in shelves if each.failure}
        try:
            report, refused = _gate(settings, files, [each for each in shelves if not each.failure], day, len(users))
        except GateFailed as error:
            reason, facts = str(error).splitlines()[0], {standing.GATE: "lists", "bundle": pinned[0]}
            decisions.record(settings, "hold", ds, reason, facts, run=f"jobs.lists {ds}")
            raise
        left_out |= refused
        for name, why in left_out.items():
            reason = f"{name}: this night's lists are left out: {why}"
            facts = {"surface": name, "bundle": pinned[0]}
            decisions.record(settings, "hold", ds, reason, facts, run=f"jobs.lists {ds}")
        kept = [each for each in shelves if each.name not in left_out]
        digests = _store(settings, files, kept, ds, snapshot.read)
        recipe.keep(settings, ds, [Recipe(e.surface, e.policy.k, rules, e.version, e.name) for e in kept])
        owners = files.owners(_spooled(kept))
    _tell(report, owners, sum(each.rows for each in _spooled(kept)), pinned[0], left_out)
    return {
        "ds": ds,
        "users": owners["user"],
        "items": owners["item"],
        "segments": owners["segment"],
        "rows": sum(each.rows for each in _spooled(kept)),
        "bundle": pinned[0],
        "gate": "passed" if report.success else "failed",
        "warnings": len(report.warnings),
        "data_docs": report.docs_url,
        "content_hash": digests,
        "arms_left_out": left_out,
    }


def _tell(report: Any, owners: dict[str, int], rows: int, bundle: str, left_out: dict[str, str]) -> None:
    from validation.gate import tell

    tell(report)  # the night's last word: an arm that the gate refused is no failure of the night
    prometheus.LISTS_OWNERS.tell_all(owners)
    prometheus.LISTS_ROWS.tell(rows)
    prometheus.LISTS_BUNDLE.tell(bundle)
    prometheus.LISTS_LEFT_OUT.tell(len(left_out))


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
    arms: Sequence[Arm] = (),
) -> pa.Table:
    """All rows of a day, by surface: segments, items, users; then the arms'. The same inputs give the same rows.

    Args:
        rules: merchandisers' rules.
    """
    with staging.folder(settings, "made") as place:
        files = Files(settings, place)
        shelves, _ = build(snapshot, shown, (version, bundle), arms, settings.list_length, rules, files.spool)
        fill(settings, files, snapshot, shelves, users)
        return files.dataset(_spooled([each for each in shelves if not each.failure])).to_table()


def fill(settings: Settings, files: Files, snapshot: Snapshot, shelves: Sequence[Shelf], users: list[str]) -> None:
    """Put all rows of a day on the shelves: segments, items, then users; each bundle scores once."""
    for _, group in groupby(sorted(shelves, key=_version), key=_version):
        alike = list(group)
        with sparing(alike):
            bundle = alike[0].bundle
            for shelf in _having(alike, "segments"):
                with sparing([shelf]):
                    shelf.spool.add(shelf.rows.segments(shelf.policy.segments()))
            _relate(bundle, snapshot, [shelf for shelf in _having(alike, "items") if shelf.surface.related])
            ranked = _having(alike, "users")
            if ranked and settings.scoring == "spark":
                lists_on_spark.fill(settings, files, snapshot, bundle, ranked, _batches(users))
            elif ranked:
                explainer = Explainer(bundle, snapshot)
                for batch in _told(_batches(users)):
                    rank(settings, bundle, snapshot, ranked, batch, explainer)
    for shelf in shelves:
        shelf.close()


def _spooled(shelves: Sequence[Shelf]) -> list[Spooled]:
    return [each for shelf in shelves for each in shelf.spooled]


def _version(shelf: Shelf) -> str:
    return shelf.version


def _having(shelves: list[Shelf], kind: Kind) -> list[Shelf]:
    return [shelf for shelf in shelves if kind in shelf.surface.kinds]


def _relate(bundle: Bundle, snapshot: Snapshot, shelves: list[Shelf]) -> None:
    """The lists of items: partners that may be shown, for every item of the catalogue that has some."""
    longest = max((shelf.surface.related for shelf in shelves), default=0)
    for start in range(0, len(snapshot.items) if longest else 0, BATCH_ITEMS):
        owners = np.arange(start, min(start + BATCH_ITEMS, len(snapshot.items)), dtype=np.int32)
        # Twice as many, since some are out of stock.
        related = bundle.related(snapshot, list(snapshot.items[owners]), 2 * longest)
        for shelf in shelves:
            with sparing([shelf]):
                wanted = np.isin(related.kind, PARTNERS[shelf.surface.item_lists]) & shelf.policy.allowed[related.item]
                mine = related.take(wanted)
                # What goes well and is similar too stands where it goes well.
                mine = mine.take(first_of_pair(mine.owner, mine.item))
                rank = (position_in_group(mine.owner, np.zeros_like(mine.owner)) + 1).astype(np.int32)
                cut = rank <= min(shelf.surface.related, shelf.policy.k)
                shelf.spool.add(shelf.rows.items(mine.take(cut), rank[cut], owners))


def _batches(users: list[str]) -> list[list[str]]:
    return [users[start : start + BATCH_USERS] for start in range(0, len(users), BATCH_USERS)]


def _told(batches: list[list[str]]) -> Iterator[list[str]]:
    """The batches, with progress told as they are done."""
    started = told = time.monotonic()
    done, every = 0, sum(map(len, batches))
    for batch in batches:
        yield batch
        now, done = time.monotonic(), done + len(batch)
        if now - told >= PROGRESS_SECONDS or done == every:
            told = now
            rate = done / max(now - started, 1e-9)
            log.info("%d of %d shoppers, %.0f/s, %.0f s left", done, every, rate, (every - done) / rate)


def _pin(settings: Settings, wanted: str | None) -> Pinned:
    found = Registry(settings).resolve(wanted or "champion")
    if found is None:
        raise BadInput(f"no bundle {wanted or 'champion'!r} is registered; train one: python -m models.training --ds D")
    version, path = found
    bundle = Bundle.load(path)
    bundle.gpu = device.for_scoring(settings)
    return version, bundle


def _gate(
    settings: Settings, files: Files, shelves: Sequence[Shelf], day: date, users: int
) -> tuple[Any, dict[str, str]]:
    """Gate the night as a whole; if that fails, without the arms, then with one more of them at a time.

    Returns:
        The report of what passed, and the arms that did not, with the reason.
    """
    own, arms = [each for each in shelves if not each.is_arm], [each for each in shelves if each.is_arm]
    try:
        return _gated(settings, files, shelves, day, users), {}
    except GateFailed:
        if not arms:
            raise
    report, refused = _gated(settings, files, own, day, users), {}
    for arm in arms:
        try:
            report = _gated(settings, files, [*own, arm], day, users)
            own = [*own, arm]
        except GateFailed as error:
            refused[arm.name] = str(error)
    return report, refused


def _gated(settings: Settings, files: Files, shelves: Sequence[Shelf], day: date, users: int) -> Any:
    from validation.gate import gate  # its imports cost seconds that no other command should pay

    lengths = {each.name: each.policy.k for each in shelves}
    whole = [each.name for each in shelves if each.surface.rules.due is None and "users" in each.surface.kinds]
    context = {
        "list_length": lengths,
        "full_length": {each.name: each.policy.k for each in shelves if each.surface.rules.due is None},
        "expected_users": dict.fromkeys(whole, users),
        "fallbacks": [each.name for each in shelves if "segments" in each.surface.kinds],
    }
    return gate("lists", files.dataset(_spooled(shelves)), [day.isoformat()], settings=settings, context=context)


def _store(settings: Settings, files: Files, shelves: Sequence[Shelf], ds: str, read: Read) -> dict[str, str]:
    """Replace the day and leave its content hashes in `partitions`, which the publication holds its reading against.

    A surface with nothing to show for anybody has its record too: its old lists must not go on serving.
    """
    marks, digests, total = [], {}, 0
    for shelf in shelves:
        digest = sum(each.digest for each in shelf.spooled) & (2**64 - 1)
        digests[shelf.name] = f"{digest:016x}"
        marks.append((record_name(shelf.name), ds, sum(each.rows for each in shelf.spooled), digests[shelf.name]))
        total += digest
    rows = sum(count for _, _, count, _ in marks)
    marks.append(("lists", ds, rows, f"{total & (2**64 - 1):016x}"))
    try:
        written = storage.replace_days(settings, "lists", files.dataset(_spooled(shelves)), [ds])
    except CommitFailedError as error:
        raise Unavailable(
            f"lists of {ds}: another run replaced them at the same time ({error}); run this again"
        ) from error
    record(settings, marks, written, "jobs.lists", read)
    log.info("lists of %s: %d rows, %s", ds, rows, digests)
    return digests


def main(
    ds: Annotated[str, typer.Option("--ds", help="Day whose events the lists know (data_through), YYYY-MM-DD.")],
    bundle: Annotated[str | None, typer.Option(help="Bundle version or alias; the champion by default.")] = None,
) -> None:
    """Make, gate and store every list of a day."""
    finish("jobs.lists", lambda s: lists(s, ds, bundle))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(main)
    app()
