"""From trained parts to a registered bundle: its manifest, its folder, its version, and whether it becomes champion."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lake import code
from lake.clock import day_end
from lake.prometheus import metrics as prometheus
from lake.prometheus.definition import quietly
from lake.settings import Settings
from models.bundle import Bundle
from models.config import TrainingConfig
from models.promotion import Mode, settle
from models.ranking.features import CROSSES, NAMES
from models.snapshot import Snapshot
from models.windows import Windows

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def manifest(
    settings: Settings, now: Snapshot, config: TrainingConfig, kind: str, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Provenance of a bundle as of a snapshot's day, and the figures that its training measured."""
    reference = {name: value for name, value in metrics.items() if name.startswith("reference_")}
    return {
        "kind": kind,
        "trained_through": now.as_of.isoformat(),
        "sources": list(config.sources),
        "features": {"dense": list(NAMES), "crosses": list(CROSSES)},
        "users": len(now.users),
        "items": len(now.items),
        "events": len(now.events),
        "delta_versions": now.versions,
        "partitions": now.partitions,
        "metrics": dict(metrics),
        "code": code.version(settings),
        **reference,
    }


def _tell(
    version: str, promoted: bool, bundle: Bundle, metrics: Mapping[str, Any], seconds: Mapping[str, float]
) -> None:
    prometheus.TRAINED_BUNDLE.tell(version)
    prometheus.TRAINED_PROMOTED.tell(promoted)
    prometheus.TRAINED_THROUGH.tell(day_end(bundle.trained_through).timestamp())
    prometheus.TRAINED_REFERENCE.tell(metrics.get("reference_auc"))
    stages: dict[str, float] = {}
    for name, spent in seconds.items():
        stage = _DAY.sub("", name).strip()  # a day in a label would make new series with each training
        stages[stage] = stages.get(stage, 0.0) + spent
    prometheus.TRAINED_SECONDS.tell_all(stages)


def deliver(
    settings: Settings,
    bundle: Bundle,
    folder: Path,
    seconds: Mapping[str, float],
    trial: Bundle,
    windows: Windows | None,
    promote: Mode,
) -> dict[str, Any]:
    """Save, register, settle. A bundle saved by an earlier try is registered as it is: registering twice is one."""
    from models.registry import Registry

    path, ds = folder / "bundle", bundle.trained_through
    if not (path / "manifest.json").is_file():
        half = folder / "bundle.half"
        shutil.rmtree(half, ignore_errors=True)
        bundle.save(half).replace(path)
    saved = json.loads((path / "manifest.json").read_text())
    version = Registry(settings).register(
        path,
        metrics={**saved["metrics"], "seconds": dict(seconds)},
        params=saved["config"],
        delta_versions=saved["delta_versions"],
        tags={"ds": ds.isoformat(), "kind": saved["kind"], "code": saved["code"]},
    )
    window = windows.after(windows.test_cut) if windows else None
    settled = settle(settings, version, trial, window, ds=ds, mode=promote)
    with quietly():
        _tell(version, settled.promote, bundle, saved["metrics"], seconds)
    return {
        "version": version,
        "promoted": settled.promote,
        "reason": settled.reason,
        "trained_through": ds.isoformat(),
        "kind": saved["kind"],
        "metrics": saved["metrics"],
        "seconds": dict(seconds),
    }
