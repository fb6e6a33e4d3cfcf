"""Where a command leaves its metrics: a text file a group under METRICS_DIR, and a Pushgateway at METRICS_PUSH_URL.

node_exporter's textfile collector reads the files; a Pushgateway is for jobs whose machine is gone when they have ended
(EMR, Batch). Both work alike: the metrics told replace those of their name in their group, the others stay, so that a
failed run leaves when the last good one was. Nothing that goes wrong here fails the command.
"""

import fcntl
import logging
import re
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lake.prometheus import metrics
from lake.prometheus.metrics import METRICS
from lake.settings import Settings

log = logging.getLogger("nightshelf.metrics")

JOB = "nightshelf"
"""Pushgateway's first grouping label."""
PUSH_SECONDS = 5.0

Groups = dict[tuple[str, str], list[Any]]
"""(label, value) of a group -> metric families of prometheus_client."""


def ended(settings: Settings, command: str, exit_code: int, seconds: float) -> None:
    """Tell how a command ended, and leave that and all it told before."""
    try:
        if exit_code:
            metrics.COMMAND_FAILURE.tell(time.time())
        else:
            metrics.COMMAND_SUCCESS.tell(time.time())
        metrics.COMMAND_EXIT.tell(exit_code)
        metrics.COMMAND_SECONDS.tell(seconds)
        metrics.COMMAND_MEMORY.tell(_peak_memory())
        groups = families(command)
    except Exception as error:
        log.warning("no metrics of %s: %s: %s", command, type(error).__name__, error)
        return
    for leave in (write, push):
        try:
            leave(settings, groups)
        except Exception as error:
            log.warning("metrics of %s are not left: %s: %s", command, type(error).__name__, error)


def families(command: str) -> Groups:
    """What this process told, by group."""
    from prometheus_client.metrics_core import GaugeMetricFamily

    groups: Groups = {}
    for metric in METRICS.values():
        by_group: dict[tuple[str, str], Any] = {}
        for values, number in metric.told.items():
            labels = dict(zip(metric.all_labels, values, strict=True))
            group = ("surface", labels["surface"]) if metric.group == "surface" else ("command", command)
            names = list(dict.fromkeys([group[0], *labels]))
            if group not in by_group:
                by_group[group] = GaugeMetricFamily(metric.name, metric.help, labels=names)
            by_group[group].add_metric([{**labels, group[0]: group[1]}[name] for name in names], number)
        for group, family in by_group.items():
            groups.setdefault(group, []).append(family)
    return groups


def write(settings: Settings, groups: Groups) -> None:
    """Replace the groups' metrics in their text files, `nightshelf_<label>_<value>.prom`."""
    from prometheus_client import write_to_textfile

    folder = settings.metrics_dir
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / ".lock"):
        for (label, value), told in groups.items():
            path = folder / f"nightshelf_{label}_{re.sub(r'[^A-Za-z0-9._-]', '_', value)}.prom"
            new = {family.name for family in told}
            kept = [family for family in _read(path) if family.name in METRICS and family.name not in new]
            write_to_textfile(str(path), _registry([*kept, *told]))


def push(settings: Settings, groups: Groups) -> None:
    """Hand the groups to the Pushgateway, if there is one."""
    from prometheus_client import pushadd_to_gateway

    if not settings.metrics_push_url:
        return
    for (label, value), told in groups.items():
        pushadd_to_gateway(
            settings.metrics_push_url, JOB, _registry(told), grouping_key={label: value}, timeout=PUSH_SECONDS
        )


def _read(path: Path) -> list[Any]:
    from prometheus_client.parser import text_string_to_metric_families

    try:
        return list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except ValueError as error:
        log.warning("%s cannot be read and is made anew: %s", path, error)
        return []


def _registry(told: Iterable[Any]) -> Any:
    from prometheus_client import CollectorRegistry

    families = sorted(told, key=lambda family: str(family.name))

    class Told:
        def collect(self) -> list[Any]:
            return families

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Told())
    return registry


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Commands that end at the same time write one after the other."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _peak_memory() -> int:
    kibibytes = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return kibibytes * 1024
