"""A hook of MkDocs: pages that mkdocs.yml does not name are in the navigation too; decisions under their own."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Complete `nav` by what lies in the docs folder."""
    folder = Path(config["docs_dir"])
    named = set(_named(config["nav"] or []))
    more = [path.name for path in sorted(folder.glob("*.md")) if path.name not in named]
    decisions = [f"decisions/{path.name}" for path in sorted((folder / "decisions").glob("*.md"))]
    if more:
        last = config["nav"][-1]
        next(iter(last.values())).extend(more)
    if decisions:
        config["nav"].append({"Decisions": decisions})
    return config


def _named(entries: list[Any]) -> list[str]:
    found: list[str] = []
    for entry in entries:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += _named(value) if isinstance(value, list) else [value]
    return found
