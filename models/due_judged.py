"""Whether it was time to buy again: `python -m models.due_judged --ds D [--ds D2 ...] [--days N]`.

Of the items that shoppers had bought by D, the share that they bought again in the N days after: of all, of those
bought on two days, and of those that the surface `again` calls due.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import numpy as np
import typer

from lake import storage
from lake.clock import parse_day, shift
from lake.columns import EVENT_TYPES
from lake.columns import Columns as C
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import surfaces
from models.policy.due import due
from models.policy.pairs import Pairs
from models.snapshot import Snapshot

SURFACE = "again"


def judged(settings: Settings, snapshot: Snapshot, days: int) -> dict[str, dict[str, float]]:
    """Of each set of pairs: `pairs`, `again` (bought again in the days after the snapshot) and `shoppers`.

    Raises:
        BadInput: the surface `again` has no rule `due`.
    """
    rule = surfaces.load(settings.surfaces)[SURFACE].rules.due
    if rule is None:
        raise BadInput(f"{settings.surfaces / SURFACE}.yaml: rules.due is not set, so nothing is ever due; set it")
    log, items = snapshot.events, len(snapshot.items)
    first, last = shift(snapshot.as_of, 1).isoformat(), shift(snapshot.as_of, days).isoformat()
    columns = [C.USER_ID, C.ITEM_ID, C.EVENT_TYPE]
    rows = [
        row
        for row in storage.read(settings, "events", start=first, end=last, columns=columns).to_pylist()
        if row[C.EVENT_TYPE] == "purchase" and row[C.USER_ID]
    ]
    item = snapshot.items_of([row[C.ITEM_ID] for row in rows])
    user = snapshot.rows_of([row[C.USER_ID] for row in rows])
    after = Pairs.of(np.where(item >= 0, user, np.int32(-1)), item, items)
    bought = log.kind == EVENT_TYPES.index("purchase")
    sets = {
        "bought before": Pairs.of(log.user[bought], log.item[bought], items),
        "bought on two days": due(log, items, 2, 0.0, np.inf),
        "due": due(log, items, rule.times, rule.opens, rule.closes),
    }
    return {
        name: {
            "pairs": len(each.keys),
            "again": int(np.isin(each.keys, after.keys).sum()),
            "shoppers": len(np.unique(each.keys // max(items, 1))),
        }
        for name, each in sets.items()
    }


def run(settings: Settings, cuts: Sequence[date], days: int) -> dict[str, dict[str, float]]:
    """The figures of `judged`, summed over the cuts, with `share` = again / pairs."""
    total: dict[str, dict[str, float]] = {}
    for cut in cuts:
        for name, figures in judged(settings, Snapshot.load(settings, cut), days).items():
            mine = total.setdefault(name, dict.fromkeys(figures, 0))
            for key, value in figures.items():
                mine[key] += value
    return {name: figures | {"share": figures["again"] / max(figures["pairs"], 1)} for name, figures in total.items()}


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """For a terminal."""
    lines = [f"{'':20}{'pairs':>10}{'again':>10}{'share':>10}{'a shopper':>12}"]
    for name, each in figures.items():
        a_shopper = each["pairs"] / max(each["shoppers"], 1)
        lines.append(f"{name:20}{each['pairs']:>10.0f}{each['again']:>10.0f}{each['share']:>10.1%}{a_shopper:>12.1f}")
    return "\n".join(lines)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    ds: Annotated[list[str], typer.Option("--ds", help="The last day that is known, YYYY-MM-DD; may be repeated.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Days after it that are judged on.")] = 14,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        figures = run(settings, [parse_day(day) for day in ds], days)
        print(table(figures))
        return {"ds": ds, "days": days, "figures": figures}

    finish("models.due_judged", work)


if __name__ == "__main__":
    app()
