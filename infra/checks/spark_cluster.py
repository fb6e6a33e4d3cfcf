"""A real Spark standalone cluster on loopback: a master and workers as processes of their own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from infra.embedded.ports import choose
from lake.errors import Unavailable

HOST = "127.0.0.1"
START_SECONDS = 90


class Cluster:
    """A running cluster.

    Attributes:
        master: its address, as SPARK_MASTER takes it.
        work: a folder for each application, in it one for each of its executors.
    """

    def __init__(self, master: str, web: str, work: Path) -> None:
        self.master, self._web, self.work = master, web, work

    def state(self) -> dict[str, Any]:
        """What the master tells: workers, their cores, applications that ran."""
        answer = requests.get(f"{self._web}/json/", timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    def alive(self) -> int:
        """Workers that the master knows alive; 0 while it does not answer."""
        try:
            return sum(worker["state"] == "ALIVE" for worker in self.state()["workers"])
        except requests.RequestException:
            return 0


@contextmanager
def cluster(
    folder: Path, workers: int = 2, memory: str = "1g", surroundings: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A master and workers of one core each; ended with all their executors.

    Args:
        folder: for logs and the executors' working folders.
        surroundings: the whole environment of master and workers; nearly empty by default, as on another machine.

    Raises:
        Unavailable: they do not stand within 90 s; the message names the log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ports = choose({"spark": 7077, "spark_web": 8180}, lambda _: None)
    port, web = ports["spark"], ports["spark_web"]
    found = Cluster(f"spark://{HOST}:{port}", f"http://{HOST}:{web}", folder / "work")
    environment = dict(surroundings if surroundings is not None else bare())
    master = ["org.apache.spark.deploy.master.Master", "--host", HOST, "--port", str(port), "--webui-port", str(web)]
    worker = ["org.apache.spark.deploy.worker.Worker", "--host", HOST, "--cores", "1", "--memory", memory]
    worker += ["--webui-port", "0", "--work-dir", str(found.work), found.master]
    processes = []
    try:
        for name, words in (("master", master), *((f"worker-{n}", worker) for n in range(workers))):
            processes.append(_start(words, folder / f"{name}.log", environment))
        deadline = time.monotonic() + START_SECONDS
        while found.alive() < workers:
            if time.monotonic() > deadline or any(process.poll() is not None for process in processes):
                raise Unavailable(f"no cluster of {workers} workers within {START_SECONDS} s; see {folder}/*.log")
            time.sleep(0.3)
        yield found
    finally:
        _end(processes)


def bare() -> dict[str, str]:
    """The environment of a machine that has Java and Python, but neither our checkout nor our settings."""
    kept = ("PATH", "HOME", "JAVA_HOME", "LANG", "TMPDIR")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    return found | {"SPARK_LOCAL_IP": HOST, "SPARK_DAEMON_MEMORY": "256m", "SPARK_NO_DAEMONIZE": "1"}


def _start(words: list[str], log: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    # It must not outlive whoever started it, however that one ended.
    tied = [tool, "--pdeathsig", "TERM"] if (tool := shutil.which("setpriv")) else []
    command = [*tied, str(Path(sys.executable).parent / "spark-class"), *words]
    with log.open("wb") as stream:
        return subprocess.Popen(command, stdout=stream, stderr=stream, env=environment, cwd=log.parent)


def _end(processes: "list[subprocess.Popen[bytes]]") -> None:
    """Workers first; an executor ends with its worker, one that does not is killed."""
    children = [child for process in processes for child in _children(process.pid)]
    for process in reversed(processes):
        process.terminate()
    for process in processes:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for child in children:
        if child.is_running():
            child.kill()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
