"""Goes back to the lists before: `python -m jobs.rollback` sets `current` to what the serving version replaced.

`--arm` does the same for one arm of the surface's experiment.
"""

from typing import Annotated, Any

import typer

from jobs.publication import told
from jobs.publication.door import open_redis
from jobs.publication.versions import Versions
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from models import decisions
from storefront import contract
from storefront.contract import DEFAULT_SURFACE, BadName, Meta


def rollback(
    settings: Settings, surface: str = DEFAULT_SURFACE, to: str | None = None, *, arm: str | None = None, run: str = ""
) -> dict[str, Any]:
    """Let readers follow the version that the serving one replaced, or any other that still stands.

    Args:
        arm: of the surface's experiment; None goes back with `current`.

    Returns:
        surface, arm, version (now serving), before, data_through.

    Raises:
        BadInput: nothing is published, nothing was replaced, or the version is gone.
        Unavailable: a publication is at work, or Redis does not answer.
    """
    try:
        contract.arm_key(surface, arm) if arm else contract.current_key(surface)
    except BadName as error:
        raise BadInput(f"{'--arm' if arm else '--surface'}: {error}") from error
    where = f"surface {surface}, arm {arm}" if arm else f"surface {surface}"
    with open_redis(settings) as redis:
        versions = Versions(redis, surface, settings.publish_lease_seconds, arm)
        serving = versions.current()
        if serving is None:
            raise BadInput(f"{where}: nothing is published, so there is nothing to go back from")
        target = _target(versions, redis, serving, to)
        versions.acquire(target.version)
        try:
            if versions.current() != serving or versions.meta(target.version) != target:
                raise BadInput(f"{where}: a publication came between; look at it, then run this again")
            versions.point(target.version)
        finally:
            versions.release(target.version)
    told.rolled_back(surface, arm, target)
    decisions.record(
        settings,
        "rollback",
        target.data_through,
        f"{where}: back from lists through {serving.data_through} to lists through {target.data_through}",
        {"surface": surface, "arm": arm, "version": target.version, "before": serving.version},
        run=run,
    )
    return {
        "surface": surface,
        "arm": arm,
        "version": target.version,
        "before": serving.version,
        "data_through": target.data_through,
    }


def _target(versions: Versions, redis: Any, serving: Meta, to: str | None) -> Meta:
    wanted = to or serving.replaces
    standing = f"versions that stand: {', '.join(sorted(versions.standing()))}"
    if not wanted:
        raise BadInput(f"version {serving.version} replaced none, so there is no way back; {standing}")
    target = versions.meta(wanted)
    if target is None or target.status != "ready" or not _stands(redis, versions.surface, target):
        raise BadInput(f"version {wanted} is gone or was never whole; give --to one of the others; {standing}")
    if target.arm != serving.arm:
        raise BadInput(
            f"version {wanted} was made for {target.arm or 'the control'}, not for {serving.arm or 'the control'}; "
            f"give --to one of its own; {standing}"
        )
    return target


def _stands(redis: Any, surface: str, target: Meta) -> bool:
    """Whether the fallbacks of a version are there."""
    keys = (contract.segment_key(surface, target.version, name) for name in target.segments)
    return all(redis.exists(key) for key in keys)


def main(
    surface: Annotated[str, typer.Option(help="Surface to take back.")] = DEFAULT_SURFACE,
    to: Annotated[str | None, typer.Option(help="This version instead of the one before.")] = None,
    arm: Annotated[str | None, typer.Option(help="Only this arm of the surface's experiment.")] = None,
    run: Annotated[str, typer.Option(help="Who asked, for the decisions table.")] = "",
) -> None:
    """Let readers follow the lists before."""
    finish("jobs.rollback", lambda s: rollback(s, surface, to, arm=arm, run=run or "jobs.rollback"))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(main)
    app()
