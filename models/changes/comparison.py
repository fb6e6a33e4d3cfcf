"""Two lists of a shopper held against each other: what came, what went, what moved, and why."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from models.changes import causes
from models.changes.attribution import FeatureChange
from models.changes.causes import Cause
from models.changes.chain import Chain
from models.changes.making import Made
from models.changes.standing import Standing
from models.policy import segments

Move = Literal["entered", "left", "up", "down"]


@dataclass(frozen=True)
class Change:
    """An item whose place is another one.

    Attributes:
        before, after: ranks; None where the list does not have it.
        causes: the decisive one first.
        features: of the ranker, where the data moved it; the strongest effect first.
        sources_before, sources_after: source -> rank, of those that propose it.
    """

    item: str
    title: str
    move: Move
    before: int | None
    after: int | None
    causes: tuple[Cause, ...]
    features: tuple[FeatureChange, ...] = ()
    sources_before: tuple[tuple[str, int], ...] = ()
    sources_after: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Day:
    """One day's side of a comparison.

    Attributes:
        standing: whether shoppers were given it.
        whose: `user`, or the segment that the shopper was given for want of a list, or `none`.
        items: best first, as the lake has them.
        as_made: making it again gives the same.
        recorded: its rules were kept with it; otherwise today's files are taken for them.
    """

    standing: Standing
    whose: str
    items: tuple[str, ...]
    bundle: str | None = None
    as_made: bool | None = None
    recorded: bool | None = None

    @property
    def ds(self) -> str:
        return self.standing.ds


@dataclass(frozen=True)
class Comparison:
    """What became of a shopper's list between two days.

    Attributes:
        user: the lake's id.
        notes: what holds for the whole list, for a person.
        same: items whose rank did not change.
        events: the shopper's events since the earlier day: item id, type, UTC day, newest first.
    """

    user: str
    surface: str
    before: Day
    after: Day
    notes: tuple[str, ...]
    changes: tuple[Change, ...]
    same: int
    events: tuple[tuple[str, str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def differences(chain: Chain, old: Day, new: Day) -> list[Change]:
    """The items whose place is another one, in the order of the later list, what left it last."""
    before = {item: rank for rank, item in enumerate(old.items, 1)}
    after = {item: rank for rank, item in enumerate(new.items, 1)}
    common = [item for item in before if item in after]
    changed = [item for item in [*after, *(i for i in before if i not in after)] if before.get(item) != after.get(item)]
    if old.whose == new.whose == "user":
        chain.prepare(changed)
        return [_explained(chain, item, before.get(item), after.get(item), common) for item in changed]
    sold = {id(made): segments.popularity(made.snapshot) for made in (chain.before, chain.after)}

    def share(made: Made, item: str) -> float:
        at = made.snapshot.item_index.get(item)
        return 0.0 if at is None else 100 * float(sold[id(made)][at])

    return [
        _of_others(chain, item, before.get(item), after.get(item), old, new)
        or _of_segment(
            chain, item, before.get(item), after.get(item), share(chain.before, item), share(chain.after, item)
        )
        for item in changed
    ]


def notes_on(old: Day, new: Day, surface: str) -> list[str]:
    """What limits the comparison, and what holds for all of it."""
    notes = [f"bundle {new.bundle} ranks; on {old.ds} it was {old.bundle}"] if old.bundle != new.bundle else []
    for day in (old, new):
        if day.standing.surface != surface:
            notes.append(f"on {day.ds} the shopper was in an arm of an experiment: {day.standing.surface}")
        if day.as_made is False:
            notes.append(f"the list of {day.ds} cannot be made again exactly: what it was made from has changed since")
        if day.recorded is False:
            notes.append(f"by which rules {day.ds} was made was not kept; today's files stand in for them")
    return notes


def _explained(chain: Chain, item: str, before: int | None, after: int | None, common: list[str]) -> Change:
    move = _move(before, after)
    if move in ("entered", "left"):
        told = causes.entered(chain, item) if move == "entered" else causes.left(chain, item)
    else:
        told = causes.moved(chain, item, common)
    features: tuple[FeatureChange, ...] = ()
    by_data = any(cause.kind in ("features", "shopper", "candidates") for cause in told)
    if by_data and (found := chain.attributed(item)) is not None and (found.moved > 0) == (move in ("entered", "up")):
        features = found.features
    sources = chain.before.fate(item).sources, chain.after.fate(item).sources
    return Change(item, _title(chain, item), move, before, after, tuple(told), features, *sources)


def _of_others(chain: Chain, item: str, before: int | None, after: int | None, old: Day, new: Day) -> Change | None:
    """A change because the shopper was given somebody else's list on one of the days."""
    if old.whose == new.whose:
        return None
    if new.whose == "user":
        text = f"the shopper has a list of their own now; on {old.ds} it was that of {old.whose}"
        cause = Cause("shopper", "first_list", text)
    elif old.whose == "user":
        text = f"the shopper was not active lately and has no list of their own any more; it is that of {new.whose}"
        cause = Cause("shopper", "no_list", text)
    else:
        cause = Cause("shopper", "segment", f"the shopper is given the list of {new.whose}, not of {old.whose}")
    return Change(item, _title(chain, item), _move(before, after), before, after, (cause,))


def _of_segment(chain: Chain, item: str, before: int | None, after: int | None, was: float, now: float) -> Change:
    """A change in the list of a segment; `was` and `now` are the item's shares of what sells, in percent."""
    move = _move(before, after)
    ruled = causes.ruled(chain, item) if move in ("entered", "left") else None
    sold = FeatureChange("sales", "its share of what sells, in percent", was, now, now - was)
    text = f"what sells changed: {was:.2g} % of it before, {now:.2g} % now"
    cause = ruled or Cause("features", "sales", text)
    return Change(item, _title(chain, item), move, before, after, (cause,), (sold,))


def _move(before: int | None, after: int | None) -> Move:
    if before is None:
        return "entered"
    if after is None:
        return "left"
    return "up" if after < before else "down"


def _title(chain: Chain, item: str) -> str:
    return chain.after.title(item) if item in chain.after.snapshot.item_index else chain.before.title(item)
