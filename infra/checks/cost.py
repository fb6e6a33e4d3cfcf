"""What a long check takes: seconds by phase, CPU seconds and peak memory of the whole process tree."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from infra.embedded.status import tree_memory

SAMPLE_SECONDS = 5


@dataclass
class Cost:
    """See the module; `memory_mib` is the peak since it was last set to 0."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu: dict[int, float] = field(default_factory=dict)
    memory_mib: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add a block's seconds to a phase."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample memory and CPU time while the block runs."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(SAMPLE_SECONDS):
                self.sample()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            self.sample()

    def sample(self) -> None:
        """Note what the process tree uses now; a child that ended counts with what it had used when last seen."""
        here = psutil.Process()
        self.memory_mib = max(self.memory_mib, tree_memory(here.pid))
        for process in [here, *here.children(recursive=True)]:
            try:
                used = process.cpu_times()
            except psutil.Error:
                continue
            self.cpu[process.pid] = used.user + used.system

    def figures(self) -> dict[str, Any]:
        phases = {name: round(seconds) for name, seconds in self.seconds.items()}
        memory = round(self.memory_mib / 1024, 1)
        return {"seconds": phases, "cpu_seconds": round(sum(self.cpu.values())), "memory_gib": memory}
