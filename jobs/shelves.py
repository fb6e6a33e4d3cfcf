"""The shelves that a night fills: one a surface, and one an arm of each surface's experiment."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

import pyarrow as pa

from jobs.publication.rows import RowWriter
from jobs.spool import Spool, Spooled
from lake.settings import Settings
from models.bundle import Bundle
from models.policy.merchandising import Numbered
from models.policy.reasons import Explainer
from models.policy.surface_lists import SurfacePolicy
from models.snapshot import Snapshot
from models.surfaces import Surface, shelf

log = logging.getLogger("nightshelf.lists")

Pinned = tuple[str, Bundle]
"""A bundle and its version."""


@dataclass(frozen=True)
class Arm:
    """An arm whose lists are to be made: where they are kept, what it shows, and by which bundle."""

    name: str
    surface: Surface
    version: str
    bundle: Bundle


@dataclass
class Shelf:
    """One surface, or one arm of it, being filled. `failure` says why an arm is left out of the night."""

    name: str
    surface: Surface
    policy: SurfacePolicy
    rows: RowWriter
    version: str
    bundle: Bundle
    is_arm: bool
    spool: Spool
    spooled: list[Spooled] = field(default_factory=list)
    failure: str = ""

    def close(self) -> None:
        """Finish what was added here; files that others wrote for it stand behind it."""
        self.spooled = [*self.spool.close(), *self.spooled]


def of_arms(
    shown: Mapping[str, Surface], pinned: Pinned, pin: Callable[[str], Pinned]
) -> tuple[list[Arm], dict[str, str]]:
    """The arms of all experiments, and those that cannot be made, with the reason.

    Args:
        pinned: the night's bundle, which arms that name none share.
        pin: finds the bundle of a version or alias.
    """
    arms: list[Arm] = []
    failed: dict[str, str] = {}
    for name, surface in shown.items():
        for arm, what in surface.experiment.arms.items() if surface.experiment else ():
            kept = shelf(name, arm)
            try:
                version, bundle = pin(what.bundle) if what.bundle else pinned
            except Exception as error:
                failed[kept] = f"{type(error).__name__}: {error}"
                log.exception("%s left out of the night", kept)
                continue
            # One object a version, so that arms which name the night's own are scored with it.
            bundle = next((each.bundle for each in arms if each.version == version), bundle)
            arms.append(Arm(kept, surface.of_arm(arm), version, pinned[1] if version == pinned[0] else bundle))
    return arms, failed


def build(
    snapshot: Snapshot,
    shown: Sequence[Surface],
    pinned: Pinned,
    arms: Sequence[Arm],
    length: int,
    rules: tuple[Numbered, ...],
    spool: Callable[[str], Spool],
) -> tuple[list[Shelf], dict[str, str]]:
    """Empty shelves, the surfaces', then the arms', and the arms that cannot have one, with the reason.

    Args:
        length: of the lists of a surface that names none.
        rules: merchandisers' rules; those of a surface hold for its arms too.
        spool: where a shelf's rows go, by the shelf's name.
    """

    def ready(arm: Arm, is_arm: bool) -> Shelf:
        policy = SurfacePolicy(arm.surface, snapshot, arm.surface.k or length, rules)
        rows = RowWriter(snapshot, arm.name, snapshot.as_of.isoformat(), arm.version)
        return Shelf(arm.name, arm.surface, policy, rows, arm.version, arm.bundle, is_arm, spool(arm.name))

    shelves, failed = [ready(Arm(each.name, each, *pinned), False) for each in shown], {}
    for arm in arms:
        try:
            shelves.append(ready(arm, True))
        except Exception as error:
            failed[arm.name] = f"{type(error).__name__}: {error}"
            log.exception("%s left out of the night", arm.name)
    return shelves, failed


@contextmanager
def sparing(shelves: Sequence[Shelf]) -> Iterator[None]:
    """Work for some shelves. What goes wrong leaves them out of the night if all are arms, and else stops it."""
    try:
        yield
    except Exception as error:
        if not all(each.is_arm for each in shelves):
            raise
        for each in shelves:
            each.failure = f"{type(error).__name__}: {error}"
        log.exception("%s left out of the night", ", ".join(each.name for each in shelves))


def rank(
    settings: Settings,
    bundle: Bundle,
    snapshot: Snapshot,
    shelves: list[Shelf],
    users: list[str],
    explainer: Explainer,
) -> None:
    """Score a batch of users, once for all surfaces that want the same, and let each choose from it.

    Surfaces of new items are scored by themselves: the sources dig deeper for them, below what the shopper had.
    """
    rows, owners = snapshot.rows_of(users), pa.array(users, pa.string())
    standing = [shelf for shelf in shelves if not shelf.failure]
    bounds = {"memory_mb": settings.scoring_memory_mb, "threads": settings.threads}
    for only_new, group in groupby(sorted(standing, key=_only_new), key=_only_new):
        ranked = bundle.score(snapshot, users, only_new=only_new, **bounds)
        for each in group:
            with sparing([each]):
                entries = each.policy.lists(ranked, rows)
                each.spool.add(each.rows.users(owners, entries, explainer.of(users, entries)))


def _only_new(shelf: Shelf) -> bool:
    return shelf.surface.only_new
