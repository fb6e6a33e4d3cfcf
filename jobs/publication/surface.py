"""Publishes one surface: load beside what serves, verify, then set one pointer."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

from jobs.publication import room
from jobs.publication.assembling import assemble
from jobs.publication.loading import Loaded, Loading
from jobs.publication.partition import ListsPartition, Size
from jobs.publication.versions import Versions
from lake.errors import Unavailable
from lake.settings import Settings
from models import surfaces
from storefront import contract
from storefront.contract import EVERYBODY, Meta

log = logging.getLogger("nightshelf.publication")


@dataclass(frozen=True)
class Outcome:
    """What became of a surface's publication.

    Attributes:
        outcome: `published`; `unchanged` where the same content serves already; `held` where newer lists serve.
        meta: of the version that readers use now.
        lists: lists by kind that were pushed, empty unless published.
        seconds: wall time.
    """

    surface: str
    outcome: str
    meta: Meta
    lists: dict[str, int]
    seconds: float


def publish_surface(
    settings: Settings, redis: Any, partition: ListsPartition, shelf: str, *, force: bool = False
) -> Outcome:
    """Publish the lists of a day on a surface, or those of an arm of its experiment.

    Args:
        shelf: the surface, or surface and arm (`home@treatment`): then the arm's pointer is set.
        force: `--replace`: publish even what is older than, or equal to, what serves.

    Raises:
        Unavailable: another publication is at work, the memory does not suffice, or Redis fails.
        BadInput: the day has no such lists, they are damaged, or Redis may evict them.
    """
    started = time.monotonic()
    surface, arm = surfaces.surface_and_arm(shelf)
    versions = Versions(redis, surface, settings.publish_lease_seconds, arm)
    room.check_policy(redis)
    recorded, generated = partition.recorded(shelf)
    size = partition.size(shelf)
    version = contract.make_version(generated)
    versions.acquire(version)
    try:
        serving = versions.current()
        if serving is not None and not force:
            if serving.data_through > partition.ds:
                return Outcome(shelf, "held", serving, {}, time.monotonic() - started)
            if _same(serving, partition.ds, recorded, size.bundle, _key_id(settings)) and _stands(
                redis, serving, surface
            ):
                return Outcome(shelf, "unchanged", serving, {}, time.monotonic() - started)
        _make_room(settings, redis, versions, version, size)
        loading = Loading(
            redis,
            surface,
            version,
            per_second=settings.publish_lists_per_second,
            workers=1 if settings.publish_lists_per_second else settings.publish_workers,
            expected=sum(size.lists.values()),
            heartbeat=lambda: versions.renew(version),
        )
        meta = Meta(
            version=version,
            replaces=serving.version if serving else "",
            generated_at=generated.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            data_through=partition.ds,
            k=0,
            users=0,
            items=0,
            segments=(),
            bundle=size.bundle,
            content_hash="",
            status="loading",
            key_id=_key_id(settings),
            arm=arm or "",
        )
        key = contract.meta_key(surface, version)
        try:
            versions.begin(version)
            redis.hset(key, mapping=meta.fields())
            loaded = loading.push(assemble(partition.batches(shelf)))
            meta = _verified(meta, loaded, size, recorded, _fallback_order(settings, surface))
            loading.read_back(loaded.sample)
            redis.hset(key, mapping=meta.fields())
            if versions.meta(version) != meta:
                raise Unavailable(
                    f"surface {surface}: the meta of version {version} does not read back; run this again"
                )
            versions.hold(version)
        except BaseException:
            _abandon(versions, version)
            raise
        versions.point(version)
        log.info("%s: readers follow %s, data through %s", shelf, version, partition.ds)
        versions.remove(
            versions.removable(
                settings.version_grace_seconds, keep=lambda: {version, *versions.ways_back()}, thorough=False
            ),
            lambda: versions.renew(version),
        )
    finally:
        _release(versions, version)
    return Outcome(shelf, "published", meta, loaded.lists, time.monotonic() - started)


def _key_id(settings: Settings) -> str:
    return settings.user_key_id if settings.pseudonymise else ""


def _same(serving: Meta, ds: str, recorded: str | None, bundle: str, key_id: str) -> bool:
    return (serving.data_through, serving.content_hash, serving.bundle, serving.key_id) == (
        ds,
        recorded,
        bundle,
        key_id,
    )


def _stands(redis: Any, serving: Meta, surface: str) -> bool:
    """Whether the fallbacks of the serving version are really there (someone may have flushed)."""
    return all(redis.exists(contract.segment_key(surface, serving.version, name)) for name in serving.segments)


def _make_room(settings: Settings, redis: Any, versions: Versions, version: str, size: Size) -> None:
    """Sweep what may go; the ways back go too if only that makes room for the new version."""
    grace = settings.version_grace_seconds

    def sweep(keep: Callable[[], set[str]]) -> None:
        gone = versions.removable(grace, keep=lambda: {version, *keep()})
        versions.remove(gone, lambda: versions.renew(version))

    sweep(versions.ways_back)
    needed = room.bytes_needed(size)
    missing = room.shortage(redis, needed)
    if missing and versions.ways_back():
        log.warning("%s: %s; what the serving versions replaced is given up", versions.surface, missing)
        sweep(set)
    room.check_room(redis, needed)


def _fallback_order(settings: Settings, surface: str) -> Callable[[str], int]:
    """Position of a segment's dimension in the surface's file; where there is none, by name alone."""
    file = settings.surfaces / f"{surface}.yaml"
    dimensions: list[str] = list(surfaces.read(file).segments) if file.is_file() else []
    places = {name: place for place, name in enumerate(dimensions)}
    return lambda segment: places.get(segment.partition("=")[0], len(places))


def _verified(meta: Meta, loaded: Loaded, size: Size, recorded: str | None, order: Callable[[str], int]) -> Meta:
    """The final meta, once counts and hash agree with the lake.

    Raises:
        Unavailable: they do not; the lists were replaced while they were read, or not read whole.
    """
    if loaded.lists != size.lists:
        raise Unavailable(f"pushed {loaded.lists} lists, the lake has {size.lists}; run this again")
    digest = loaded.content.hexdigest()
    if recorded is not None and digest != recorded:
        raise Unavailable(
            f"the lists' content hash is {digest}, jobs.lists recorded {recorded}: they were replaced while being "
            f"read, or are damaged; run this again, and jobs.lists if that does not help"
        )
    # Everybody's comes last; a surface without segments has none.
    segments = sorted(loaded.segments, key=lambda name: (name == EVERYBODY, order(name), name))
    return replace(
        meta,
        k=loaded.longest,
        users=loaded.lists["user"],
        items=loaded.lists["item"],
        segments=tuple(segments),
        content_hash=digest,
        status="ready",
    )


def _abandon(versions: Versions, version: str) -> None:
    """Take back a load that failed, if Redis lets us; else the next publication sweeps it."""
    try:
        versions.hold(version)
        versions.remove({version})
    except Exception as error:
        log.warning("%s: version %s stays until the next publication (%s)", versions.surface, version, error)


def _release(versions: Versions, version: str) -> None:
    try:
        versions.release(version)
    except Exception as error:
        log.warning("%s: the lease of %s stays until it expires (%s)", versions.surface, version, error)
