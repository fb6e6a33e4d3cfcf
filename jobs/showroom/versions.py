"""Which versions of a surface's lists stand in Redis, and what the lake has of the last days."""

from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError

from lake import storage
from lake.errors import Unavailable
from lake.settings import Settings
from models.changes.standing import standing
from storefront import contract
from storefront.connection import connect, where
from storefront.contract import BadExperiment, BadName, Experiment, Meta

LAST_DAYS = 14


def overview(settings: Settings, surface: str) -> dict[str, Any]:
    """The current version, all that stand with what each says of itself (newest first), experiment, and days.

    Raises:
        BadName: the surface cannot be one.
        Unavailable: Redis does not answer.
    """
    try:
        with connect(settings.redis_url, timeout=2.0) as redis:
            found = _in_redis(redis, surface)
    except RedisError as error:
        raise Unavailable(f"Redis at {where(settings.redis_url)} does not answer ({error}); is it running?") from error
    days = [standing(settings, ds, surface) for ds in reversed(storage.days(settings, "lists")[-LAST_DAYS:])]
    told = [{"ds": day.ds, "state": day.state, "text": day.text, "version": day.version} for day in days]
    return {"surface": surface, **found, "days": told}


def _in_redis(redis: Any, surface: str) -> dict[str, Any]:
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
