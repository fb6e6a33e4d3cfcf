"""What a source YAML may say: how a shop's log maps to `events` and `items`.

`python -m lake.mapping check sources/x.yaml --data DIR --ds D` tries a mapping on one delivery before anything runs.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import sqlglot
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlglot import exp

from lake import exposure
from lake.columns import EVENT_TYPES
from lake.columns import Columns as C
from lake.errors import BadInput

EVENT_TARGETS = (
    C.EVENT_ID,
    C.USER_ID,
    C.ITEM_ID,
    C.EVENT_TYPE,
    C.VALUE,
    C.EVENT_TS,
    C.INGESTED_TS,
    C.QUANTITY,
    C.PRICE,
    C.SESSION_ID,
    C.DEVICE,
    C.COUNTRY,
)
ITEM_TARGETS = (C.ITEM_ID, C.TITLE, C.DESCRIPTION, C.CATEGORY, C.BRAND, C.PRICE, C.MARGIN, C.IN_STOCK)
UNBOUNDED_DAY = date(1970, 1, 1)
"""The `ds` under which a file that holds the whole log is landed."""

EventType = Literal["view", "cart", "purchase", "rating"]
Kind = Literal["events", "items", "impressions"]
"""The kinds of file that a shop delivers."""


def _expression(text: object) -> object:
    """Refuse what is no Spark SQL expression, before a JVM is started for it."""
    if text is None:
        return None
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"expected a Spark SQL expression, found {text!r}")
    try:
        sqlglot.parse_one(text, read="spark")
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"{text!r} is no Spark SQL expression: {str(error).splitlines()[0]}") from error
    return text


def _duration(text: object) -> object:
    if isinstance(text, str) and (match := re.fullmatch(r"(\d+)\s*([mhd])", text.strip())):
        return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[match[2]]: int(match[1])})
    raise ValueError(f"expected a duration such as 30m, 6h or 2d, found {text!r}")


Expression = Annotated[str, BeforeValidator(_expression)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]


def referenced_columns(expression: str) -> set[str]:
    """Raw columns that a Spark SQL expression reads."""
    return {column.name for column in sqlglot.parse_one(expression, read="spark").find_all(exp.Column)}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileOptions(_Strict):
    """How a CSV file is written; ignored by the other formats."""

    header: bool = True
    delimiter: str = ","
    columns: tuple[str, ...] = Field((), description="names, where there is no header")


class Deliveries(_Strict):
    """Which files arrive, when, and what a missing one means."""

    format: Literal["csv", "jsonl", "parquet"]
    pattern: str
    period: Literal["day", "month", "all"] = "day"
    options: FileOptions = FileOptions()
    missing_day: Literal["normal", "wait", "fail"] = "fail"
    delay: Duration = timedelta(hours=6)
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no time zone; give an IANA name such as Europe/London") from error
        return name

    @model_validator(mode="after")
    def _agree(self) -> "Deliveries":
        sample = {self.file(day) for day in (date(2026, 1, 1), date(2026, 1, 2), date(2026, 2, 1), date(2027, 1, 1))}
        wanted = {"day": 4, "month": 3, "all": 1}[self.period]
        if len(sample) != wanted:
            raise ValueError(
                f"period {self.period!r} and pattern {self.pattern!r} contradict each other: "
                "use {ds} or %Y, %m and %d for a file a day, %Y and %m or %b for a file a month, neither for one file"
            )
        if self.format == "csv" and not self.options.header and not self.options.columns:
            raise ValueError("options.columns must name the columns of a CSV without header")
        return self

    def file(self, day: date) -> str:
        """The file that covers a day, relative to DATA."""
        return day.strftime(self.pattern.replace("{ds}", "%Y-%m-%d"))

    def first_day(self, day: date) -> date:
        """First day covered by the file that covers `day`: the `ds` of its landing."""
        return {"day": day, "month": day.replace(day=1), "all": UNBOUNDED_DAY}[self.period]


class Rating(_Strict):
    """What a rating means: from which value on it says that the shopper liked the item."""

    positive_from: float


class EventMapping(_Strict):
    """Expressions over the raw columns that make `events`."""

    columns: dict[str, Expression | None]
    filter: Expression | None = Field(None, description="rows for which this is false are no interactions")
    event_type: EventType | None = Field(None, description="the one type of this log")
    event_types: dict[str, EventType] = Field({}, description="value of columns.event_type -> type")
    rating: Rating | None = None
    time_zone: str | None = Field(None, description="zone of timestamps without one; default deliveries.time_zone")

    @model_validator(mode="after")
    def _complete(self) -> "EventMapping":
        _known_targets(self.columns, EVENT_TARGETS)
        missing = [name for name in (C.USER_ID, C.ITEM_ID, C.EVENT_TS) if not self.columns.get(name)]
        if missing:
            raise ValueError(f"columns: {', '.join(missing)} must be mapped")
        by_column = bool(self.columns.get(C.EVENT_TYPE))
        if by_column == bool(self.event_type) or by_column != bool(self.event_types):
            raise ValueError(
                f"say the event type once: either event_type: {'|'.join(EVENT_TYPES)}, "
                "or columns.event_type together with event_types"
            )
        if "rating" in {self.event_type, *self.event_types.values()} and self.rating is None:
            raise ValueError("the log has ratings: state rating.positive_from, the value from which one means liking")
        return self


class ItemMapping(_Strict):
    """Where item attributes come from: the events' own rows, or catalogue deliveries."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    origin: Literal["events", "deliveries"] = Field(alias="from")
    columns: dict[str, Expression | None]
    deliveries: Deliveries | None = None

    @model_validator(mode="after")
    def _complete(self) -> "ItemMapping":
        _known_targets(self.columns, ITEM_TARGETS)
        if self.origin == "deliveries" and self.deliveries is None:
            raise ValueError("from: deliveries needs items.deliveries (format, pattern, ...)")
        if self.origin == "deliveries" and not self.columns.get(C.ITEM_ID):
            raise ValueError("columns: item_id must be mapped")
        if self.origin == "events" and {C.ITEM_ID, C.PRICE, C.MARGIN, C.IN_STOCK} & set(self.columns):
            raise ValueError("from: events gives title, description, category and brand; item_id and price are known")
        return self


class ImpressionMapping(_Strict):
    """The storefront's exposure log: JSON lines of `lake.exposure.Shown`, whose fields may bear other names."""

    deliveries: Deliveries
    columns: dict[str, str] = Field({}, description="field of the contract -> the log's own name for it")

    @model_validator(mode="after")
    def _complete(self) -> "ImpressionMapping":
        _known_targets(self.columns, exposure.FIELDS)
        if (self.deliveries.format, self.deliveries.period) != ("jsonl", "day"):
            raise ValueError("impressions.deliveries: the exposure log is format jsonl, period day")
        return self

    def names(self) -> dict[str, str]:
        """The log's name -> the contract's, for every field."""
        return {self.columns.get(name, name): name for name in exposure.FIELDS}


def _known_targets(columns: Iterable[str], targets: tuple[str, ...]) -> None:
    unknown = [name for name in columns if name not in targets]
    if unknown:
        raise ValueError(f"columns: {', '.join(unknown)} is no target column; there are {', '.join(targets)}")


class Source(_Strict):
    """One shop log."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    description: str = ""
    deliveries: Deliveries
    events: EventMapping
    items: ItemMapping | None = None
    impressions: ImpressionMapping | None = None
    path: Path = Field(Path(), exclude=True)

    @property
    def time_zone(self) -> str:
        """Zone of event timestamps that carry none."""
        return self.events.time_zone or self.deliveries.time_zone

    def streams(self) -> Iterator[tuple[Kind, Deliveries]]:
        """The kinds of file that arrive."""
        yield "events", self.deliveries
        if self.items and self.items.deliveries:
            yield "items", self.items.deliveries
        if self.impressions:
            yield "impressions", self.impressions.deliveries

    def expressions(self, kind: Kind) -> dict[str, str]:
        """Key in the YAML -> expression, over the columns of one kind of file."""
        found: dict[str, str] = {}
        if kind == "events":
            found |= {f"events.columns.{name}": text for name, text in self.events.columns.items() if text}
            if self.events.filter:
                found["events.filter"] = self.events.filter
        if self.impressions and kind == "impressions":
            wanted = {self.impressions.columns.get(name, name): name for name in exposure.REQUIRED}
            return {f"impressions.columns.{name}": f"`{own}`" for own, name in wanted.items()}
        if self.items and self.items.origin == ("events" if kind == "events" else "deliveries"):
            found |= {f"items.columns.{name}": text for name, text in self.items.columns.items() if text}
        return found

    def check_columns(self, kind: Kind, columns: Iterable[str], file: str) -> list[str]:
        """Hold the mapping against a delivered file's columns.

        Returns:
            Columns of the file that the mapping does not use, for a warning where they are new.

        Raises:
            BadInput: the mapping reads a column that the file lacks; names mapping, key, column and file.
        """
        present = {name.lower() for name in columns}
        used = (
            {name.lower() for name in self.impressions.names()} if self.impressions and kind == "impressions" else set()
        )
        for key, text in self.expressions(kind).items():
            for name in sorted(referenced_columns(text)):
                used.add(name.lower())
                if name.lower() not in present:
                    raise BadInput(
                        f"{self.path}: {key} reads column {name!r}, which {file} does not have. "
                        f"It has: {', '.join(columns)}. Correct the mapping or ask the shop for the old format."
                    )
        return [name for name in columns if name.lower() not in used]


def load(path: Path) -> Source:
    """Read and check a source YAML.

    Raises:
        BadInput: the file is missing, no YAML, or says something that cannot be meant; names file and key.
    """
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(f"no source mapping at {path}; SOURCE names it, sources/ holds the ones shipped") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no YAML: {error}") from error
    if not isinstance(raw, dict):
        raise BadInput(f"{path}: expected keys such as name, deliveries and events, found {type(raw).__name__}")
    try:
        return Source.model_validate({**raw, "path": path})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or '(top)'}: {_said(e)}" for e in error.errors())
        raise BadInput(f"{path}: {faults}") from error


def _said(fault: Any) -> str:
    return str(fault["msg"]).removeprefix("Value error, ")


if __name__ == "__main__":
    from lake.mapping_check import app

    app()
