"""Which days an evaluation cuts at, and which bundles it judges at each."""

import logging
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from lake import storage
from lake.clock import DayRange, parse_day, shift
from lake.errors import BadInput
from lake.settings import Settings

log = logging.getLogger(__name__)

DAYS = 14
Named = tuple[Any, str]
"""A bundle, and its version or folder."""


def choose(settings: Settings, ds: str, listed: str, splits: int, every: int, days: int) -> list[date]:
    """The cuts, oldest first.

    Args:
        ds: one cut, or the last of `splits`; without it the last is the newest day with a whole window after it.
        listed: cuts separated by commas, instead of all that.
        splits, every: how many cuts, and how many days lie between two.

    Raises:
        BadInput: nothing or too much is given.
    """
    if listed:
        if ds or splits:
            raise BadInput("--cuts lists the cuts itself: give it without --ds and --splits")
        return sorted({parse_day(each.strip(), "--cuts") for each in listed.split(",")})
    if not ds and not splits:
        raise BadInput("no cut given: --ds D for one, --cuts D1,D2 for some, --splits N --every DAYS for the latest N")
    last = parse_day(ds, "--ds") if ds else shift(_newest(settings), -days)
    return [shift(last, -every * back) for back in reversed(range(max(1, splits)))]


def window(settings: Settings, cut: date, days: int) -> DayRange:
    """The days after a cut, as many of them as are loaded.

    Raises:
        BadInput: the lake has no events after the cut.
    """
    last = max((day for day in storage.days(settings, "events")), default="")
    if last <= cut.isoformat():
        raise BadInput(f"--ds {cut}: the newest events are of {last or 'no day'}; give a day before that")
    found = DayRange(shift(cut, 1), min(shift(cut, days), date.fromisoformat(last)))
    if len(found) < days:
        log.warning("only %d of the %d days after %s have been loaded", len(found), days, cut)
    return found


def bundles(settings: Settings, cuts: Sequence[date], given: Sequence[str]) -> dict[date, dict[str, Named]]:
    """Name -> bundle, and which one it is, for each cut.

    Args:
        given: a version, alias or folder for all cuts, or `D=` and one for the cut D. Nothing: for one cut the champion
            and the challenger, for several the newest version that was trained up to the cut or before.

    Raises:
        BadInput: a version does not exist, or a day is none of the cuts.
        Unavailable: MLflow does not answer and the bundle is not cached.
    """
    named: dict[date, str] = {}
    for each in given:
        day, equals, wanted = each.partition("=")
        if not equals or Path(each).is_dir():
            named |= dict.fromkeys(cuts, each)
            continue
        cut = parse_day(day, "--bundle")
        if cut not in cuts:
            raise BadInput(f"--bundle {each}: {cut} is none of the cuts ({', '.join(map(str, cuts))})")
        named[cut] = wanted
    alone = len(cuts) == 1
    return {cut: _of_cut(settings, cut, named.get(cut, ""), alone=alone) for cut in cuts}


def one(settings: Settings, cut: date, wanted: str) -> Named:
    """One bundle that may be judged on the days after a cut.

    Args:
        wanted: a version, an alias or a folder.

    Raises:
        BadInput: there is none, or it has seen days after the cut.
        Unavailable: MLflow does not answer and the bundle is not cached.
    """
    named = bundles(settings, [cut], [wanted])[cut]
    if not named:
        raise BadInput(f"--bundle {wanted}: neither a folder nor registered; train one: python -m models.training")
    bundle, which = next(iter(named.values()))
    if bundle.trained_through > cut:
        raise BadInput(f"--bundle {which} was trained through {bundle.trained_through}, after the cut {cut}")
    return bundle, which


def _of_cut(settings: Settings, cut: date, wanted: str, *, alone: bool) -> dict[str, Named]:
    from models.bundle import Bundle
    from models.registry import CHALLENGER, CHAMPION, Registry

    # Figures of several cuts are put together by name, so there the name cannot be the version's.
    if wanted and Path(wanted).is_dir():
        return {Path(wanted).name if alone else "bundle": (Bundle.load(Path(wanted)), f"folder {wanted}")}
    registry = Registry(settings)
    if not wanted and not alone:
        wanted = _newest_version(registry.versions(), cut)
        if not wanted:
            log.warning("cut %s: no registered bundle was trained up to then; only baselines are judged", cut)
            return {}
    found = {}
    for name in (wanted,) if wanted else (CHAMPION, CHALLENGER):
        if (resolved := registry.resolve(name)) is not None:
            shown = f"version {name}" if name.isdecimal() else f"{name} {resolved[0]}"
            found[shown if alone else "bundle"] = (Bundle.load(resolved[1]), f"version {resolved[0]}")
    return found


def _newest_version(versions: Sequence[Mapping[str, Any]], cut: date) -> str:
    """Of the versions trained up to the cut the one that saw most, the latest of equals."""
    fit = [each for each in versions if each["tags"].get("ds", "9999") <= cut.isoformat()]
    return str(max(fit, key=lambda each: (each["tags"]["ds"], int(each["version"])))["version"]) if fit else ""


def _newest(settings: Settings) -> date:
    known = storage.days(settings, "events")
    if not known:
        raise BadInput(f"{settings.lake_root} holds no events; load some first")
    return date.fromisoformat(max(known))
