"""`make verify CHECKS=images`: an environment of the storefront's lock alone serves lists; the other locks install.

The image's own command, entrypoint and health check run in a folder with what the Dockerfile copies and nothing else.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
import requests

from infra.checks import compose_file
from infra.embedded import ports, redis_server
from infra.embedded.commands import say
from infra.embedded.layout import HOME
from lake.errors import GateFailed, Unavailable
from storefront.contract import Meta, current_key, make_version, meta_key, user_key

ITEMS = ["a1", "a2", "a3"]
WITHOUT_INSTALL = ("spark", "training", "airflow")


def check() -> tuple[dict[str, Any], bool]:
    """All of it, with the size of the storefront's environment.

    Raises:
        Unavailable: packages cannot be had, or there is no Redis.
        GateFailed: the service did not do what its image promises.
    """
    figures: dict[str, Any] = {}
    for target in WITHOUT_INSTALL:
        figures[target] = {"packages": _resolves(target)}
        say(f"{target}: {figures[target]['packages']} packages of the lock can be installed")
    folder = Path(tempfile.mkdtemp(prefix="nightshelf-image-"))
    try:
        figures["storefront"] = _serves(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return figures, True


def _lock(target: str) -> Path:
    return HOME / "infra" / "images" / f"requirements-{target}.txt"


def _uv(*words: str) -> str:
    done = subprocess.run([Path(sys.executable).parent / "uv", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(f"uv {' '.join(words)} failed: {done.stderr[-1500:]}")
    return done.stdout + done.stderr


def _resolves(target: str) -> int:
    """How many packages an empty environment would get."""
    with tempfile.TemporaryDirectory() as folder:
        _uv("venv", "-q", "--python", sys.executable, f"{folder}/venv")
        python = ["--python", f"{folder}/venv/bin/python"]
        told = _uv("pip", "install", "--dry-run", "--require-hashes", *python, "-r", str(_lock(target)))
    return sum(line.startswith(" + ") for line in told.splitlines())


def _serves(folder: Path) -> dict[str, Any]:
    home, image = folder / "home", compose_file.image("storefront")
    _uv("venv", "-q", "--python", sys.executable, str(home / ".venv"))
    python = ["--python", str(home / ".venv" / "bin" / "python")]
    _uv("pip", "install", "-q", "--require-hashes", *python, "-r", str(_lock("storefront")))
    ours = ("storefront", "infra/images/entrypoint.sh", "infra/images/healthy.py")
    for source in ours:
        target = home / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (HOME / source).is_dir():
            shutil.copytree(HOME / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(HOME / source, target)
    packages = len(list((home / ".venv").glob("lib/python*/site-packages/*.dist-info")))
    size = sum(path.lstat().st_size for path in (home / ".venv").rglob("*") if path.is_file()) / 1e6
    with _lists() as address:
        port = ports.choose({"storefront": 18000}, say)["storefront"]
        (folder / "url").write_text(address)
        given = {
            "PATH": f"{home}/.venv/bin:/usr/bin:/bin",
            "PYTHONPATH": str(home),
            "STOREFRONT_PORT": str(port),
            "REDIS_URL_FILE": str(folder / "url"),
        }
        place = str(home)
        words = [word.replace("/opt/nightshelf", place) for word in (*image.entrypoint, *image.command)]
        assert image.health is not None
        health = [w.replace("/opt/nightshelf", place).replace(":8000", f":{port}") for w in image.health]
        process = subprocess.Popen(words, cwd=home, env=given)
        try:
            seconds = _healthy(process, health, given)
            url = f"http://127.0.0.1:{port}/recommend"
            answer = requests.get(url, params={"user_id": "u1", "k": "2"}, timeout=5).json()
            if answer.get("items") != ITEMS[:2] or answer.get("fallback") != "user":
                raise GateFailed(f"the service answered {answer}")
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(15)
    if code not in (0, -signal.SIGTERM):  # uvicorn ends in order and then by the signal itself
        raise GateFailed(f"the service ended with {code} on a SIGTERM")
    return {"packages": packages, "environment_mb": round(size), "healthy_after_seconds": seconds, "copied": list(ours)}


def _healthy(process: "subprocess.Popen[bytes]", health: list[str], given: dict[str, str]) -> float:
    began = time.monotonic()
    while subprocess.run(health, env=given, capture_output=True).returncode != 0:
        if process.poll() is not None or time.monotonic() - began > 30:
            raise GateFailed("the storefront's environment is not enough: the service is not healthy; see above")
        time.sleep(0.1)
    return round(time.monotonic() - began, 1)


@contextmanager
def _lists() -> Iterator[str]:
    """A Redis with one published list; its address."""
    with redis_server.server() as address:
        version = make_version(datetime.now(UTC))
        made = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        meta = Meta(version, "", made, made[:10], len(ITEMS), 1, 0, (), "1", "00", "ready", "")
        with redis.Redis.from_url(address) as client:
            client.hset(meta_key("home", version), mapping=meta.fields())
            client.rpush(user_key("home", version, "u1"), *ITEMS)
            client.set(current_key("home"), version)
        yield address
