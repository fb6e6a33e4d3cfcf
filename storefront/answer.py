"""What a reader gets: the items, why, and from which lists."""

from dataclasses import asdict, dataclass
from typing import Any

from storefront.contract import Reason


@dataclass(slots=True)
class Answer:
    """What to show, and how it came about. (Not frozen: that would cost a twentieth of the whole lookup.)

    Attributes:
        items: item ids, best first.
        reasons: one an item where `why=True` was asked and the version gives them, else empty.
        k: how many were answered for: the K of the lists where `k_asked` was more.
        fallback: whose list it is: `user`, `item`, `basket`, a segment such as `country=GB` or `all`, or `none`.
        version: of the lists; pass it on to stay in it over pages. None only for k=0 before the first call.
        data_through: last UTC day whose events the lists know.
        generated_at: when the lists were made, ISO 8601, UTC.
        age_seconds: since then, by this machine's clock; never negative.
        stale: older than the client's `max_age_seconds`, or `degraded`.
        degraded: Redis is away, and this is a segment's list that the client remembered.
        experiment: the experiment that runs on the surface, if the shopper takes part in it.
        arm: the shopper's arm, whose lists these are; None is the control, or no experiment.
    """

    items: tuple[str, ...]
    reasons: tuple[Reason, ...]
    k: int
    k_asked: int
    fallback: str
    surface: str
    version: str | None = None
    data_through: str | None = None
    generated_at: str | None = None
    bundle: str | None = None
    age_seconds: float | None = None
    stale: bool = False
    degraded: bool = False
    experiment: str | None = None
    arm: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)
