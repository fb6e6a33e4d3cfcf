"""What Prometheus is told of a publication, of the lists that serve after it, and of Redis's memory."""

from datetime import date, datetime
from typing import Any

from jobs.publication import room
from jobs.publication.surface import Outcome
from lake.clock import day_end
from lake.prometheus import metrics as prometheus
from lake.prometheus.definition import quietly
from models.surfaces import shelf
from storefront.contract import Meta


def published(done: Outcome) -> None:
    """A publication ended without a failure, whether or not it pushed lists."""
    outcome(done.surface, done.outcome)
    prometheus.PUBLISHED_LISTS.tell(sum(done.lists.values()), surface=done.surface)
    prometheus.PUBLISHED_SECONDS.tell(done.seconds, surface=done.surface)
    serving(done.surface, done.meta, rolled_back=False)


def outcome(kept: str, what: str) -> None:
    """What became of the lists of a surface, or of an arm (`home@treatment`)."""
    prometheus.PUBLISHED_OUTCOME.state(what, prometheus.OUTCOMES, surface=kept)


def rolled_back(surface: str, arm: str | None, meta: Meta) -> None:
    """A person let readers follow another version."""
    serving(shelf(surface, arm), meta, rolled_back=True)


def serving(kept: str, meta: Meta, *, rolled_back: bool) -> None:
    """Which lists readers get now."""
    with quietly():
        counts = {"user": meta.users, "item": meta.items, "segment": len(meta.segments)}
        for kind, count in counts.items():
            prometheus.SERVING_LISTS.tell(count, surface=kept, kind=kind)
        through = day_end(date.fromisoformat(meta.data_through))
        prometheus.SERVING_THROUGH.tell(through.timestamp(), surface=kept)
        made = datetime.fromisoformat(meta.generated_at)
        prometheus.SERVING_GENERATED.tell(made.timestamp(), surface=kept)
        prometheus.SERVING_BUNDLE.tell(meta.bundle, surface=kept)
        prometheus.SERVING_ROLLED_BACK.tell(rolled_back, surface=kept)


def memory(redis: Any) -> None:
    """How full Redis is; nodes of a cluster by number, since their addresses come and go."""
    with quietly():
        for number, used, limit in room.used(redis):
            prometheus.REDIS_USED.tell(used, node=str(number))
            prometheus.REDIS_MAX.tell(limit, node=str(number))
