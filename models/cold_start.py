"""How those fare of whom nothing is known: visitors without a history, and items on their first night.

`python -m models.cold_start --ds D [--ds D2 ...] [--days N] [--bundle B] [--truth DIR] [--json F]`. Visitors are the
anonymous sessions, and the shoppers seen for the first time, of the N days after each D; they get lists by what the
visit tells: country, device, both, or nothing. With a bundle, items that arrived in the last days before D are
forgotten (their events, features, partners and ids) and listed anew that night: who gets them? With DIR, the folder of
the demo shop's truth.npz, their audience is known: shoppers who like their category best.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy import sparse

from lake import storage
from lake.clock import parse_day, shift
from lake.columns import Columns as C
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import labels, metrics, surfaces
from models.bundle import Bundle
from models.metrics import Floats
from models.policy.segments import by_popularity, own_taste, popularity, segment_lists
from models.policy.surface_lists import SurfacePolicy
from models.snapshot import Snapshot

log = logging.getLogger("nightshelf.cold_start")

K = 20
NEW_DAYS = 7.0
"""Items that arrived within this many days before D are forgotten."""

LIKED = 3
"""An item's audience are the shoppers whose planted taste has its category among this many."""

Visitor = tuple[str | None, str | None, frozenset[str]]
"""Country, device and the items touched during the visit."""


def visitors(settings: Settings, snapshot: Snapshot, days: int) -> list[Visitor]:
    """Anonymous sessions, and first days of shoppers that the snapshot does not know, in the days after it."""
    first, last = shift(snapshot.as_of, 1).isoformat(), shift(snapshot.as_of, days).isoformat()
    columns = [C.USER_ID, C.SESSION_ID, C.ITEM_ID, C.COUNTRY, C.DEVICE, C.DS]
    rows = storage.read(settings, "events", start=first, end=last, columns=columns).to_pylist()
    begun: dict[str, str] = {}
    for row in rows:
        if row[C.USER_ID] and row[C.USER_ID] not in snapshot.user_index:
            begun[row[C.USER_ID]] = min(row[C.DS], begun.get(row[C.USER_ID], row[C.DS]))
    visits: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        user, session = row[C.USER_ID], row[C.SESSION_ID]
        if user is None and session:
            visits.setdefault(("session", session), []).append(row)
        elif user and begun.get(user) == row[C.DS]:
            visits.setdefault(("user", user), []).append(row)

    def told(visit: list[dict[str, Any]], column: str) -> str | None:
        return next((row[column] for row in visit if row[column]), None)

    return [
        (told(visit, C.COUNTRY), told(visit, C.DEVICE), frozenset(row[C.ITEM_ID] for row in visit))
        for _, visit in sorted(visits.items())
    ]


def by_context(snapshot: Snapshot, min_shoppers: int) -> dict[str, dict[tuple[str, ...], list[int]]]:
    """Lists of each way to tell visitors apart: its name -> what the visit tells -> the first K in stock.

    `()` is everybody's list, for whoever's segment has none.
    """
    stock = snapshot.catalogue.in_stock
    made = segment_lists(snapshot, ("country", "device"), stock, K, min_shoppers)
    everybody = made[-1].items.tolist()
    found: dict[str, dict[tuple[str, ...], list[int]]] = {
        name: {(): everybody} for name in ("all", "country", "device", "country and device")
    }
    for each in made[:-1]:
        dimension, _, value = each.name.partition("=")
        found[dimension][(value,)] = each.items.tolist()
    both = np.where(
        (snapshot.country >= 0) & (snapshot.device >= 0), snapshot.country * len(snapshot.devices) + snapshot.device, -1
    )
    own = own_taste(snapshot, both, len(snapshot.countries) * len(snapshot.devices))
    shares = popularity(snapshot)
    for code in np.flatnonzero(np.bincount(both[both >= 0], minlength=len(own)) >= min_shoppers):
        here = popularity(snapshot, np.append(both == code, False)[snapshot.events.user])
        blend = own[code] * here + (1 - own[code]) * shares
        country, device = divmod(int(code), len(snapshot.devices))
        cell = (snapshot.countries[country], snapshot.devices[device])
        found["country and device"][cell] = by_popularity(blend, stock)[:K].tolist()
    return found


def recall_by_context(snapshot: Snapshot, seen: Sequence[Visitor], min_shoppers: int) -> dict[str, Floats]:
    """Recall@K of each way to tell visitors apart, a figure a visitor."""
    lists = by_context(snapshot, min_shoppers)
    figures = {name: np.zeros(len(seen)) for name in lists}
    for number, (country, device, items) in enumerate(seen):
        tells = {"country": (country or "",), "device": (device or "",), "all": ()}
        tells["country and device"] = tells["country"] + tells["device"]
        for name, each in lists.items():
            shown = snapshot.items[each.get(tells[name], each[()])]
            figures[name][number] = len(items.intersection(shown)) / min(K, len(items))
    return figures


def forgotten(snapshot: Snapshot, items: NDArray[np.int64]) -> Snapshot:
    """The snapshot as if some items had been listed tonight: content alone is known of them.

    Their ids change, so that no model recognises them.
    """
    known = ~np.isin(snapshot.events.item, items)
    log = snapshot.events
    events = type(log)(*(getattr(log, name)[known] for name in log.__dataclass_fields__))
    ids, age = snapshot.items.copy(), snapshot.catalogue.age_days.copy()
    ids[items] = [f"{name}\x7f" for name in ids[items]]
    age[items] = 0.5
    kept = np.ones(len(ids), np.float32)
    kept[items] = 0.0
    stay = sparse.diags(kept)
    features = {name: values.copy() for name, values in snapshot.item_features.items()}
    for name, values in features.items():
        if name != "price_band":
            values[items] = np.nan
    return replace(
        snapshot,
        items=ids,
        events=events,
        user_ptr=np.searchsorted(events.user, np.arange(len(snapshot.users) + 1)).astype(np.int64),
        catalogue=replace(snapshot.catalogue, age_days=age),
        item_features=features,
        co_visitation={name: (stay @ each @ stay).tocsr() for name, each in snapshot.co_visitation.items()},
    )


@dataclass(frozen=True)
class FirstNight:
    """What became of items on their first night, on one surface.

    Attributes:
        items: new items. lists: share of shoppers' lists with at least one of them.
        shown: of each item, share of the lists that hold it, among its audience and among the others (NaN where the
            audience is not known).
        found: a figure a (shopper, new item touched in the days after): whether it stood in the shopper's list.
    """

    items: int
    lists: float
    audience: Floats
    others: Floats
    found: Floats


def first_night(
    settings: Settings, bundle: Bundle, snapshot: Snapshot, surface: str, days: int, liked: Mapping[str, set[str]]
) -> FirstNight | None:
    """Make the lists of a surface for all active shoppers and look for the new items; None where there is none.

    Args:
        liked: shopper -> categories; empty where no truth is known.
    """
    catalogue = snapshot.catalogue
    fresh = np.flatnonzero((catalogue.age_days <= NEW_DAYS) & catalogue.in_stock)
    if not len(fresh):
        return None
    tonight, shown = forgotten(snapshot, fresh), surfaces.load(settings.surfaces)[surface]
    latest = np.full(len(snapshot.users), np.inf)
    known = tonight.events.user >= 0
    np.minimum.at(latest, tonight.events.user[known], tonight.events.age_days[known])
    users = list(snapshot.users[latest <= settings.active_days])
    bounds = {"memory_mb": settings.scoring_memory_mb, "threads": settings.threads}
    ranked = bundle.score(tonight, users, only_new=shown.only_new, **bounds)
    policy = SurfacePolicy(shown, tonight, shown.k or settings.list_length)
    entries = policy.lists(ranked, tonight.rows_of(users))
    place = np.full(len(snapshot.items), -1)
    place[fresh] = np.arange(len(fresh))
    held = np.zeros((len(users), len(fresh)), np.bool_)
    mine = place[entries.item] >= 0
    held[entries.user[mine], place[entries.item[mine]]] = True
    names = [*catalogue.categories, ""]
    meant = np.array([[names[catalogue.category[i]] in liked.get(user, ()) for i in fresh] for user in users])
    touched = labels.touched(settings, shift(snapshot.as_of, 1), shift(snapshot.as_of, days))
    row = {user: number for number, user in enumerate(users)}
    column = {str(snapshot.items[item]): number for number, item in enumerate(fresh)}
    met = [(row[u], column[i]) for u, had in touched.items() if u in row for i in had if i in column]
    return FirstNight(
        items=len(fresh),
        lists=float(held.any(axis=1).mean()),
        audience=_share(held, meant),
        others=_share(held, ~meant) if liked else np.full(len(fresh), np.nan),
        found=np.array([float(held[u, i]) for u, i in met]),
    )


def _share(held: NDArray[np.bool_], among: NDArray[np.bool_]) -> Floats:
    """Share of the rows in `among` that hold each column, NaN where there are none."""
    count = among.sum(axis=0)
    return np.asarray(np.where(count > 0, (held & among).sum(axis=0) / np.maximum(count, 1), np.nan))


def tastes(folder: Path) -> dict[str, set[str]]:
    """The categories that each shopper of the demo shop likes best."""
    with np.load(folder / "truth.npz", allow_pickle=False) as truth:
        best = np.argsort(-truth["taste"], axis=1)[:, :LIKED]
        leaves = truth["leaf"]
        return {str(user): set(leaves[row].tolist()) for user, row in zip(truth["user_id"], best, strict=True)}


def run(
    settings: Settings, cuts: Sequence[date], days: int, bundle: Bundle | None, truth: Path | None
) -> dict[str, Any]:
    """All figures, pooled over the cuts.

    Raises:
        BadInput: nobody came without a history.
    """
    home = surfaces.load(settings.surfaces)["home"]
    recall: dict[str, list[Floats]] = {}
    nights: dict[str, list[FirstNight]] = {"home": [], "discover": []}
    liked = tastes(truth) if truth else {}
    for cut in cuts:
        snapshot = Snapshot.load(settings, cut)
        seen = visitors(settings, snapshot, days)
        for name, values in recall_by_context(snapshot, seen, home.segment_min_shoppers).items():
            recall.setdefault(name, []).append(values)
        for surface in nights if bundle is not None and bundle.trained_through <= cut else ():
            night = first_night(settings, bundle, snapshot, surface, days, liked)  # type: ignore[arg-type]
            if night is not None:
                nights[surface].append(night)
        log.info("%s: %d visitors without a history", cut, len(seen))
    pooled = {name: np.concatenate(parts) for name, parts in recall.items()}
    if not len(pooled["all"]):
        raise BadInput(f"--ds {cuts[0]}: nobody without a history came in the {days} days after it; load later days")
    figures: dict[str, Any] = {"visitors": len(pooled["all"])}
    for name, values in pooled.items():
        figures[name] = {
            "recall@20": _plain(metrics.bootstrap(values)),
            "over_all": _plain(metrics.paired_difference(values, pooled["all"])),
        }
    for surface, parts in nights.items():
        if parts:
            figures[f"new items on {surface}"] = {
                "items": sum(night.items for night in parts),
                "lists_with_one": float(np.mean([night.lists for night in parts])),
                "shown_to_audience": _plain(metrics.bootstrap(np.concatenate([night.audience for night in parts]))),
                "shown_to_others": _plain(metrics.bootstrap(np.concatenate([night.others for night in parts]))),
                "found_by_who_touched_them": _plain(
                    metrics.bootstrap(np.concatenate([night.found for night in parts]))
                ),
            }
    return figures


def table(figures: Mapping[str, Any]) -> str:
    """For a terminal: means with 95 % intervals."""
    lines = [f"{figures['visitors']} visitors without a history", f"{'list by':20}{'recall@20':>24}{'over all':>28}"]
    for name in ("all", "country", "device", "country and device"):
        both = [_told(figures[name][key]) for key in ("recall@20", "over_all")]
        lines.append(f"{name:20}{both[0]:>24}{both[1]:>28}")
    for name, each in figures.items():
        if name.startswith("new items"):
            lines.append(f"{name}: {each['items']}, in {each['lists_with_one']:.1%} of the lists on the first night")
            for key in ("shown_to_audience", "shown_to_others", "found_by_who_touched_them"):
                lines.append(f"  {key.replace('_', ' '):28}{_told(each[key]):>24}")
    return "\n".join(lines)


def _plain(estimate: metrics.Estimate) -> dict[str, float]:
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high, "cases": estimate.users}


def _told(figure: Mapping[str, float]) -> str:
    return f"{figure['mean']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}]"


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[list[str], typer.Option("--ds", help="The last day that is known, YYYY-MM-DD; may be repeated.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Days after it whose visitors are judged.")] = 1,
    bundle: Annotated[str, typer.Option("--bundle", help="Version, alias or folder; none: visitors only.")] = "",
    truth: Annotated[Path | None, typer.Option("--truth", help="Folder of the demo shop's truth.npz.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        from models.registry import Registry

        pinned = None
        if bundle:
            folder = Path(bundle)
            found = (bundle, folder) if folder.is_dir() else Registry(settings).resolve(bundle)
            if found is None:
                raise BadInput(f"--bundle {bundle}: neither a folder nor registered; leave it out to do without")
            pinned = Bundle.load(found[1])
        figures = run(settings, [parse_day(day) for day in ds], days, pinned, truth)
        print(table(figures))
        if as_json is not None:
            as_json.parent.mkdir(parents=True, exist_ok=True)
            as_json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return {"ds": ds, "days": days, "bundle": bundle or None, "figures": figures}

    finish("models.cold_start", work)


if __name__ == "__main__":
    app()
