"""Which versions of a surface's lists stand in Redis, what each says of itself, and how much memory each takes."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import ResponseError

from jobs.publication.versions import VERSION_LENGTH
from storefront import contract
from storefront.contract import BadExperiment, BadName, Experiment, Meta

SAMPLED = 200
"""Keys of a kind and version whose memory is asked for."""
LOOKED_AT = 200_000
"""Keys of a surface that are looked through at most; Redis names them in no order."""
KINDS = {"u": "users", "w": "users", "i": "items", "s": "segments"}
"""Kind of key -> the count in the meta that says how many there are."""


def in_redis(redis: Any, surface: str) -> dict[str, Any]:
    """The current version, all that stand with what each says of itself (newest first), and the experiment.

    Raises:
        BadName: the surface cannot be one.
    """
    current, text = redis.get(contract.current_key(surface)), redis.get(contract.experiment_key(surface))
    try:
        experiment = Experiment.read(text) if text else None
    except BadExperiment:
        experiment = None
    arms = {arm: redis.get(contract.arm_key(surface, arm)) for arm in (experiment.arms if experiment else ())}
    versions = []
    for version, state in redis.hgetall(contract.registry_key(surface)).items():
        told = {"version": version, "state": _state(state), "current": version == current}
        told["arms"] = [arm for arm, named in arms.items() if named == version]
        try:
            meta = Meta.read(redis.hgetall(contract.meta_key(surface, version)))
        except BadName:
            versions.append(told | {"state": "gone, or being loaded"})
            continue
        versions.append({**meta.__dict__, "segments": list(meta.segments), **told})
    shares = {"name": experiment.name, "arms": dict(experiment.arms)} if experiment else None
    # Two of one second are told apart by what they say of themselves.
    versions.sort(key=lambda told: (told.get("generated_at", ""), told["current"]), reverse=True)
    return {"current": current, "versions": versions, "experiment": shares}


def _state(noted: str) -> str:
    """What the registry says of a version, for a person."""
    if not noted.isdecimal():
        return {"named": "serves", "loading": "is being loaded"}.get(noted, noted)
    return f"replaced on {datetime.fromtimestamp(int(noted), UTC):%Y-%m-%d %H:%M} UTC"


def memory(redis: Any, surface: str, versions: Iterable[dict[str, Any]]) -> dict[str, int] | None:
    """Estimated bytes of each version: the mean of some keys of each kind times how many there are.

    Args:
        versions: as `in_redis` gives them; those without a meta are left out.

    Returns:
        None where the user of Redis may not ask (`+memory|usage`).
    """
    counts = {each["version"]: _counts(each) for each in versions if "users" in each}
    sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
    start, wanted = len(f"recs:{surface}:"), sum(1 for kinds in counts.values() for count in kinds.values() if count)
    full = 0
    for number, key in enumerate(redis.scan_iter(match=f"recs:{surface}:*", count=1000)):
        version, kind = key[start : start + VERSION_LENGTH], key[start + VERSION_LENGTH + 1 :].partition(":")[0]
        found = sizes[version, kind] if version in counts and kind in KINDS else None
        if found is not None and len(found) < SAMPLED:
            try:
                found.append(int(redis.memory_usage(key, samples=0) or 0))
            except ResponseError:
                return None
            full += len(found) == SAMPLED
        if full >= wanted or number >= LOOKED_AT:
            break
    return {
        version: round(sum(_mean(sizes[version, kind]) * count for kind, count in kinds.items()))
        for version, kinds in counts.items()
    }


def _counts(version: dict[str, Any]) -> dict[str, int]:
    counted = {**version, "segments": len(version["segments"])}
    return {kind: int(counted[name]) for kind, name in KINDS.items()}


def _mean(sizes: list[int]) -> float:
    return sum(sizes) / len(sizes) if sizes else 0.0
