"""Who works on a training: this process alone, or the workers that `TF_CONFIG` names. Knows no TensorFlow.

Each worker runs the same command over the same VAR, a folder that all of them see. They teach networks together; the
first one, the chief, does everything else: it makes stages, keeps checkpoints and registers the bundle. The others wait
for its files.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lake.errors import BadInput, Unavailable
from lake.settings import Settings

TOWER_PORTS = 1
"""The two-tower's own process listens so many ports above the ranker's, on each worker."""
WAIT_SECONDS = 6 * 3600.0
"""After so long without its next file, the chief counts as gone."""


@dataclass(frozen=True)
class Workers:
    """The workers of a training.

    Attributes:
        addresses: `host:port` of each, the chief first; empty = this process alone.
        index: position of this process among them.
    """

    addresses: tuple[str, ...] = ()
    index: int = 0

    @property
    def several(self) -> bool:
        return len(self.addresses) > 1

    @property
    def chief(self) -> bool:
        return self.index == 0

    @classmethod
    def of(cls, settings: Settings, environ: Mapping[str, str] | None = None) -> "Workers":
        """The workers that `TRAINING_STRATEGY` and `TF_CONFIG` ask for.

        Raises:
            BadInput: `TF_CONFIG` is not what TensorFlow documents, or missing where several workers are demanded.
        """
        text = (os.environ if environ is None else environ).get("TF_CONFIG", "")
        found = cls._parse(text) if settings.training_strategy in ("auto", "multi-worker") else cls()
        if settings.training_strategy == "multi-worker" and not found.several:
            raise BadInput(
                "TRAINING_STRATEGY=multi-worker, but TF_CONFIG names no second worker; expected "
                '{"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": "worker", "index": 0}}'
            )
        return found

    @classmethod
    def _parse(cls, text: str) -> "Workers":
        if not text.strip():
            return cls()
        try:
            config: dict[str, Any] = json.loads(text)
            cluster, task = config.get("cluster", {}), config.get("task", {})
            roles = [role for role in ("chief", "worker") if role in cluster]
            addresses = tuple(address for role in roles for address in cluster[role])
            if not addresses:
                return cls()
            before = len(cluster.get("chief", ())) if task["type"] == "worker" else 0
            index = int(task["index"]) + before
            known = task["type"] in roles and set(cluster) <= {"chief", "worker"}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"TF_CONFIG={text!r}: no cluster and task as TensorFlow documents them ({error})") from error
        if not known or not 0 <= index < len(addresses):
            raise BadInput(f"TF_CONFIG={text!r}: expected workers only, and a task that is one of them")
        return cls(addresses, index)

    def tf_config(self, ports: int = 0) -> str:
        """`TF_CONFIG` of this worker, every port moved up by `ports`."""
        moved = []
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            moved.append(f"{host}:{int(port) + ports}")
        return json.dumps({"cluster": {"worker": moved}, "task": {"type": "worker", "index": self.index}})


def wait_for(path: Path, seconds: float = WAIT_SECONDS) -> None:
    """Wait until the chief has written a file.

    Raises:
        Unavailable: it did not in time.
    """
    until = time.monotonic() + seconds
    while not path.is_file():
        if time.monotonic() > until:
            raise Unavailable(f"{path} did not come from the chief within {seconds:.0f} s; is VAR one folder for all?")
        time.sleep(0.2)
