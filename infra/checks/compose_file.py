"""docker-compose.yml and infra/images/Dockerfile as plain data, for the checks that have no Docker."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.embedded.layout import HOME
from lake.errors import BadInput

COMPOSE = HOME / "docker-compose.yml"
EXAMPLE = HOME / ".env.example"
DOCKERFILE = HOME / "infra" / "images" / "Dockerfile"
OURS = "nightshelf/"
"""What the names of our own images begin with; the rest is a target of the Dockerfile."""

VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Z0-9_]+)(?::(?P<how>[-?])(?P<word>[^}]*))?\})")


@dataclass(frozen=True)
class Health:
    """A health check; `test` is the command to run."""

    test: tuple[str, ...]
    interval: float
    retries: int
    start_period: float


@dataclass(frozen=True)
class Service:
    """One service, every variable filled in."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: Health | None
    needs: Mapping[str, str]
    """Service name to the condition that is waited for."""
    secrets: tuple[str, ...]
    volumes: Mapping[str, str]
    """Place in the container to named volume, or to a path of the checkout (it begins with `./`)."""
    profiles: tuple[str, ...]
    limits: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def target(self) -> str | None:
        """The Dockerfile's target, if the image is one of ours."""
        return self.image.removeprefix(OURS).partition(":")[0] if self.image.startswith(OURS) else None


@dataclass(frozen=True)
class Image:
    """What a target of the Dockerfile says about running it."""

    environment: Mapping[str, str]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    health: tuple[str, ...] | None
    """None where the target has none, or says NONE."""
    workdir: str
    user: str


def variables(path: Path = EXAMPLE) -> dict[str, str]:
    """The values of an .env file."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def fill(text: str, values: Mapping[str, str]) -> str:
    """A text with its variables filled in, by the Compose specification's rules for `${A}`, `${A:-b}` and `${A:?b}`.

    Raises:
        BadInput: a variable without a default has no value.
    """

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        value = values.get(found["name"], "")
        if value or (found["name"] in values and not found["how"]):
            return value
        if found["how"] == "-":
            return str(found["word"])
        raise BadInput(f"docker-compose.yml: {found[0]} has neither value nor default; see .env.example")

    return VARIABLE.sub(one, text)


def asked(text: str) -> dict[str, str | None]:
    """Variables that a text uses, with their defaults."""
    found = [m for m in VARIABLE.finditer(text) if m["name"]]
    return {m["name"]: m["word"] if m["how"] == "-" else None for m in found}


def read(values: Mapping[str, str], path: Path = COMPOSE) -> dict[str, Service]:
    """The services by name; an optional `env_file` is read where it lies beside the file, as Compose does."""
    document = _filled(yaml.safe_load(path.read_text()), values)
    return {name: _service(name, raw, path.parent) for name, raw in document["services"].items()}


def secret_files(values: Mapping[str, str], path: Path = COMPOSE) -> dict[str, str]:
    """Secret to its file, relative to the checkout."""
    document = _filled(yaml.safe_load(path.read_text()), values)
    return {name: str(raw["file"]) for name, raw in document["secrets"].items()}


def image(target: str, path: Path = DOCKERFILE) -> Image:
    """A target's ENV, ENTRYPOINT, CMD, HEALTHCHECK, WORKDIR and USER, those of the stages below it included, without
    build arguments.

    Raises:
        BadInput: the Dockerfile has no such target.
    """
    found: dict[str, Image] = {}
    arguments: dict[str, str] = {}
    current, name = Image({}, (), (), None, "/", ""), ""
    for word, rest in _instructions(path.read_text()):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = found.get(base, Image({}, (), (), None, "/", ""))
        elif word == "ARG":
            argument, _, default = rest.partition("=")
            arguments[argument] = default
        elif word == "ENV":
            filled = fill(rest, arguments) if "${" in rest else rest
            pairs = re.findall(r'(\w+)=("[^"]*"|\S+)', filled)
            current = _with(current, environment={**current.environment, **{k: v.strip('"') for k, v in pairs}})
        elif word == "ENTRYPOINT":
            current = _with(current, entrypoint=tuple(json.loads(rest)))
        elif word == "CMD":
            current = _with(current, command=tuple(json.loads(rest)))
        elif word == "HEALTHCHECK":
            test = rest.partition("CMD ")[2]
            current = _with(current, health=tuple(json.loads(test)) if test else None)
        elif word in ("WORKDIR", "USER"):
            current = _with(current, **{word.lower(): rest})
        if name:
            found[name] = current
    if target not in found:
        raise BadInput(f"{path}: found targets {', '.join(found)}, expected {target} among them")
    return found[target]


def _with(image: Image, **changes: Any) -> Image:
    return Image(**{**image.__dict__, **changes})


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word, re.sub(r"\s+", " ", rest).strip()) for word, _, rest in pairs]


def _filled(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(each, values) for each in node]
    return fill(node, values) if isinstance(node, str) else node


def _service(name: str, raw: Mapping[str, Any], folder: Path) -> Service:
    files = [folder / entry["path"] for entry in raw.get("env_file", [])]
    told = dict(pair for path in files if path.is_file() for pair in variables(path).items())
    volumes = [entry.split(":") for entry in raw.get("volumes", [])]
    return Service(
        name=name,
        image=raw["image"],
        command=tuple(map(str, raw.get("command", []))),
        environment=told | {key: str(value) for key, value in raw.get("environment", {}).items()},
        health=_health(raw.get("healthcheck", {})),
        needs={other: condition["condition"] for other, condition in raw.get("depends_on", {}).items()},
        secrets=tuple(raw.get("secrets", [])),
        volumes={entry[1]: entry[0] for entry in volumes},
        profiles=tuple(raw.get("profiles", [])),
        limits=raw.get("deploy", {}).get("resources", {}).get("limits", {}),
        raw=raw,
    )


def _health(raw: Mapping[str, Any]) -> Health | None:
    if not raw or raw.get("disable"):
        return None
    kind, *words = map(str, raw["test"])
    test = tuple(words) if kind == "CMD" else ("sh", "-c", *words)
    return Health(test, _seconds(raw["interval"]), int(raw["retries"]), _seconds(raw.get("start_period", "0s")))


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))
