"""Whether what a search found is handed out, and the one line that says why."""

from collections.abc import Mapping
from typing import Any

from models.metrics import Estimate


def verdict(stages: Mapping[str, Mapping[str, Any]], changed: bool, gain: Estimate | str) -> tuple[bool, str]:
    """Decide from what was searched and what was checked.

    Args:
        stages: `Search.figures()` by stage.
        changed: whether the best trials differ from the settings as given.
        gain: NDCG@20 of what was found minus that of the settings as given, on days that no trial saw; a text says why
            it was not measured.

    Returns:
        Whether the found settings are handed out rather than the given ones, and the line.
    """
    tried = sum(stage["finished"] + stage["pruned"] for stage in stages.values())
    if not any(stage["finished"] for stage in stages.values()):
        return False, f"no trial was finished ({tried} begun); the settings stay as given, a longer search may tell"
    searched = "; ".join(
        f"{stage['measure']} {stage['given']:.4f} -> {stage['best']:.4f}"
        for stage in stages.values()
        if stage["given"] is not None
    )
    if not changed:
        return False, f"gained nothing: none of {tried} trials beat the settings as given ({searched})"
    if isinstance(gain, str):
        return True, f"not checked on other days ({gain}); on the days searched on, which flatter it: {searched}"
    told = (
        f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] NDCG@20 on {gain.users} shoppers of days not searched on"
    )
    if gain.mean <= 0:
        return False, f"gained nothing: {told}; the settings stay as given (on the days searched on: {searched})"
    if gain.low <= 0:
        return True, f"may be chance: {told} (on the days searched on: {searched})"
    return True, f"gained {told} (on the days searched on: {searched})"
