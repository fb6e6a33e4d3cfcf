"""What each surface shows: one YAML file a surface, refused by file and key where it is wrong."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lake.errors import BadInput
from models.config import SourceName

SegmentName = Literal["country", "device"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecentlyBought(_Strict):
    """Hide what the shopper bought within `days`, unless the log shows that people buy such an item again.

    `repurchase_rate` is the share of an item's buyers who came back for it, from which the item is never hidden.
    """

    days: int = Field(14, ge=0, le=3650, description="0 hides nothing")
    repurchase_rate: float = Field(0.1, ge=0, le=1)


class Rules(_Strict):
    """What the policy enforces, in this order of importance: stock, repeats, length, variety."""

    in_stock: bool = True
    recently_bought: RecentlyBought | None = RecentlyBought()
    max_per_category: float = Field(1.0, gt=0, le=1, description="share of a list that one category may take")
    min_items: int = Field(1, ge=1, description="a shorter list is not published; its shopper gets the segments")


class Surface(_Strict):
    """One surface. `k` is the length of its lists (default: the setting LIST_LENGTH)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    description: str = ""
    k: int | None = Field(None, ge=1, le=1000)
    sources: tuple[SourceName, ...] = get_args(SourceName)
    only_new: bool = Field(False, description="only items that the shopper has never touched")
    related: int = Field(20, ge=0, le=1000, description="length of the lists of items, at most k; 0 = none")
    segments: tuple[SegmentName, ...] = ("country", "device")
    segment_min_shoppers: int = Field(20, ge=1, description="a smaller segment gets no list of its own")
    rules: Rules = Rules()

    @field_validator("sources", "segments")
    @classmethod
    def _once(cls, names: tuple[str, ...], info: Any) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a name occurs twice")
        if not names and info.field_name == "sources":
            raise ValueError("at least one source is needed")
        return names

    def get_config(self) -> dict[str, Any]:
        """The surface as plain values; `Surface.model_validate` reads them back."""
        return self.model_dump(mode="json")


def load(folder: Path) -> dict[str, Surface]:
    """All surfaces of a folder by name, ascending.

    Raises:
        BadInput: the folder has none, or a file is wrong; names file and key.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise BadInput(f"no surface in {folder.absolute()}: expected files such as home.yaml, or set SURFACES")
    return {surface.name: surface for surface in map(read, files)}


def read(file: Path) -> Surface:
    """One surface; its name must be the file's.

    Raises:
        BadInput: names the file and the key.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{file}: is no YAML file: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{file}: holds {type(content).__name__}, expected keys such as name, k, rules")
    try:
        surface = Surface.model_validate(content)
    except ValidationError as error:
        raise BadInput(
            f"{file}: {'; '.join(_faults(error.errors()))}; keys: {', '.join(Surface.model_fields)}"
        ) from None
    if surface.name != file.stem:
        raise BadInput(f"{file}: name: found {surface.name!r}, expected the file's name {file.stem!r}")
    return surface


def _faults(errors: Iterable[Any]) -> list[str]:
    return [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in errors]
