"""What changed in a shopper's list between two days, and why: `python -m jobs.compare --user U --from D1 --to D2`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models.changes.comparer import Comparer, days
from models.changes.comparison import Change, Comparison
from storefront.contract import DEFAULT_SURFACE, BadId, canonical_id, user_token

TITLE_WIDTH = 40
SIGNS = {"entered": "+", "left": "-", "up": "^", "down": "v"}


def lake_id(settings: Settings, user: str) -> str:
    """The id under which the lake knows a shopper, from the shop's own id.

    Raises:
        BadInput: no id, or no key although pseudonyms are on.
    """
    try:
        return user_token(user, settings.key()) if settings.pseudonymise else canonical_id(user)
    except BadId as error:
        raise BadInput(f"--user: {error}") from error


def default_days(settings: Settings, start: str | None, end: str | None) -> tuple[str, str]:
    """The two newest days with lists, or what stands before the day given.

    Raises:
        BadInput: there are no two days.
    """
    known = days(settings)
    after = end or (known[-1] if known else "")
    earlier = [day for day in known if day < after]
    if start is None and not earlier:
        raise BadInput(f"no lists before {after or 'today'}; days with lists: {', '.join(known) or 'none yet'}")
    return start or earlier[-1], after


def page(found: Comparison) -> str:
    """The comparison as a table for a person."""
    before, after = found.before, found.after
    lines = [
        f"{found.user} on {found.surface}: {before.ds} (list of {before.whose}, bundle {before.bundle}) -> "
        f"{after.ds} (list of {after.whose}, bundle {after.bundle})",
        *(f"  note: {note}" for note in found.notes),
    ]
    if found.events:
        lines.append(
            f"  the shopper since then: {len(found.events)} events, the latest {' '.join(found.events[0][1:])}"
        )
    lines += [_line(change) for change in found.changes]
    count = {move: sum(change.move == move for change in found.changes) for move in SIGNS}
    told = ", ".join(f"{number} {move}" for move, number in count.items())
    return "\n".join([*lines, f"  {told}, {found.same} as they were"])


def _line(change: Change) -> str:
    ranks = f"{change.before or '':>3} -> {change.after or '':<3}"
    why = "; ".join(cause.text for cause in change.causes)
    title = change.title if change.title != change.item else ""
    return f"  {SIGNS[change.move]} {ranks} {change.item}  {title:{TITLE_WIDTH}.{TITLE_WIDTH}}  {why}"


def compare(
    settings: Settings, user: str, start: str | None, end: str | None, surface: str, file: Path | None
) -> dict[str, Any]:
    """Compare, print the table and write the whole as JSON where asked; returns the counts."""
    before, after = default_days(settings, start, end)
    found = Comparer(settings).compare(lake_id(settings, user), before, after, surface)
    print(page(found))
    if file is not None:
        file.write_text(json.dumps(found.to_dict(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    counts = {move: sum(change.move == move for change in found.changes) for move in SIGNS}
    return {"from": before, "to": after, "surface": surface, **counts, "same": found.same}


def main(
    user: Annotated[str, typer.Option(help="The shop's user id.")],
    start: Annotated[
        str | None, typer.Option("--from", help="The earlier day; by default the one before --to.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The later day; by default the newest with lists.")] = None,
    surface: Annotated[str, typer.Option(help="Surface of the list.")] = DEFAULT_SURFACE,
    file: Annotated[Path | None, typer.Option("--json", help="Write everything into this file.")] = None,
) -> None:
    """Tell what entered, left and moved in a shopper's list between two days, and why."""
    finish("jobs.compare", lambda s: compare(s, user, start, end, surface, file))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(main)
    app()
