"""Which experiment runs on a surface: it starts once all its arms have lists, and ends before their pointers go.

Readers learn of an arm from the experiment's key alone, so its pointer is there before the key names it, and until no
key names it any more.
"""

import logging
from typing import Any

from jobs.publication.versions import Versions
from storefront import contract
from storefront.contract import BadExperiment, Experiment

log = logging.getLogger("nightshelf.publication")


def running(redis: Any, surface: str) -> Experiment | None:
    """The experiment that readers of a surface follow; None if there is none, or it is damaged."""
    text = redis.get(contract.experiment_key(surface))
    try:
        return Experiment.read(text) if text else None
    except BadExperiment as error:
        log.warning("%s: %s", surface, error)
        return None


def settle(redis: Any, surface: str, wanted: Experiment | None, lease_seconds: int, *, ready: bool) -> str:
    """Let readers follow the experiment that the surface's file wants, and take away the pointers that none names.

    Args:
        ready: every arm's pointer names lists of the day that the surface shows.

    Returns:
        `none`; `running`, as before; `started`, `changed`, `ended`; `waits` for an arm's lists, and what ran goes on.
    """
    key, before = contract.experiment_key(surface), running(redis, surface)
    if wanted is None:
        redis.delete(key)
        state = "ended" if before else "none"
    elif before is not None and before.text() == wanted.text():
        state = "running"
    elif ready:
        redis.set(key, wanted.text())
        state = "changed" if before else "started"
    else:
        state = "waits"
    serving = {*(wanted.arms if wanted else ()), *(before.arms if before and state == "waits" else ())}
    for arm in Versions(redis, surface, lease_seconds).arms():
        if arm not in serving:
            Versions(redis, surface, lease_seconds, arm).unpoint()
            log.info("%s: arm %s has no pointer any more", surface, arm)
    return state
