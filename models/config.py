"""What may be set about a training; it round-trips through JSON and stands whole in a bundle's manifest."""

import json
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lake.errors import BadInput

SourceName = Literal["own_items", "co_visitation", "two_tower", "linear", "next_visit", "ials", "popular", "new_items"]
Loss = Literal["listwise", "pairwise", "cross_entropy"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventWeights(_Strict):
    """How much one event of each type says, relative to each other; a rating counts if it means liking."""

    view: float = Field(1.0, ge=0)
    cart: float = Field(2.0, ge=0)
    purchase: float = Field(4.0, ge=0)
    rating: float = Field(2.0, ge=0)


class TwoTowerConfig(_Strict):
    """The two-tower's size and training."""

    dim: int = Field(64, ge=4, le=512, description="dimensions of the common space")
    history: int = Field(50, ge=1, le=500, description="latest distinct items of a shopper that the query tower reads")
    half_life_days: float = Field(60.0, gt=0, description="age at which an item of the history weighs half")
    title_buckets: int = Field(4096, ge=2, description="buckets of hashed title tokens")
    user_buckets: int = Field(0, ge=0, description="buckets of hashed user ids; 0 = no user embedding")
    hidden: int = Field(64, ge=0, description="width of the query tower's residual layer; 0 = none")
    temperature: float = Field(0.07, gt=0, description="divides cosine similarities before the softmax")
    batch_size: int = Field(1024, ge=8)
    learning_rate: float = Field(3e-3, gt=0)
    max_epochs: int = Field(12, ge=1)
    patience: int = Field(2, ge=1, description="epochs without a better held-out recall before stopping")
    max_examples: int = Field(250_000, ge=1, description="the latest examples that are trained on")
    warm_epochs: int = Field(
        2, ge=0, description="epochs of a later fit, from the weights of the fit before; 0 = anew, as long as the first"
    )
    encoder: Literal["mean", "attention"] = Field("mean", description="how the query tower reads a history")
    loss: Literal["softmax", "bpr", "cross_entropy"] = Field(
        "softmax", description="over a step's candidates; cross_entropy wants a higher temperature, such as 0.3"
    )
    log_q: Literal["counts", "streaming", "off"] = Field(
        "counts", description="where the correction for often sampled items takes its frequencies from"
    )
    uniform_negatives: int = Field(
        0, ge=0, description="items drawn evenly from the catalogue, further negatives of a step"
    )
    hard_negatives: int = Field(0, ge=0, description="only so many of the strongest negatives count; 0 = all")


class LinearConfig(_Strict):
    """The linear item-to-item model."""

    regularisation: float = Field(3.0, gt=0, description="times the mean of the Gram matrix's diagonal")
    max_items: int = Field(6000, ge=1, description="the most visited items that take part; cost is their cube")


class NextVisitConfig(_Strict):
    """The ridge regression of the next window on the history."""

    regularisation: float = Field(20.0, gt=0, description="in average examples: so many of a kind are half believed")
    windows: int = Field(12, ge=1, le=100, description="windows of the log that teach it, half a window apart")
    half_life: float = Field(4.0, gt=0, description="windows back after which one counts half")
    max_items: int = Field(6000, ge=1, description="the most visited items that take part; cost is their cube")


class IalsConfig(_Strict):
    """The implicit-feedback matrix factorisation."""

    factors: int = Field(64, ge=2, le=512)
    regularisation: float = Field(0.1, gt=0)
    alpha: float = Field(5.0, gt=0, description="confidence of an entry is 1 + alpha x its weight")
    iterations: int = Field(12, ge=1)


class RankerConfig(_Strict):
    """The Wide & Deep ranker's size and training."""

    loss: Loss = "listwise"
    networks: int = Field(4, ge=1, le=16, description="deep networks from different starts, whose logits are averaged")
    hidden: tuple[int, ...] = (64, 32)
    dropout: float = Field(0.3, ge=0, lt=1)
    item_dim: int | None = Field(
        None,
        ge=0,
        description="dimensions of the deep part's item embedding; 0 = none, None = by the number of queries",
    )
    cross_buckets: int = Field(8192, ge=2, description="buckets of the wide part's hashed crosses")
    table_l2: float = Field(1e-2, ge=0, description="pull of the crosses' weights and the item embedding to zero")
    batch_queries: int = Field(32, ge=1, description="shoppers a step")
    learning_rate: float = Field(1e-3, gt=0)
    max_epochs: int = Field(10, ge=1)
    patience: int = Field(2, ge=1)
    held_out: float = Field(0.15, gt=0, lt=1, description="share of shoppers that stop the training")
    margin_weight: float = Field(
        0.0, ge=0, le=4, description="a hit counts by its item's margin over the usual one, to this power; 0 = alike"
    )


class TrainingConfig(_Strict):
    """Everything that a training depends on besides the lake and the day."""

    seed: int = 20261123
    sources: tuple[SourceName, ...] = get_args(SourceName)
    per_source: int = Field(100, ge=1, description="candidates that a source proposes for a shopper")
    candidates: int = Field(200, ge=1, description="candidates of a shopper that are ranked")
    approximate_above: int = Field(
        200_000, ge=1, description="items beyond which nearest vectors are searched approximately, recall measured"
    )
    window_days: int | None = Field(None, ge=1, description="length of a label window; None = by length of the log")
    label_windows: int | None = Field(
        None, ge=2, le=20, description="windows that teach the ranker, where the log has room; None = by its events"
    )
    max_queries: int = Field(20_000, ge=1, description="shoppers of a label window that become ranking examples")
    event_weights: EventWeights = EventWeights()
    two_tower: TwoTowerConfig = TwoTowerConfig()
    linear: LinearConfig = LinearConfig()
    next_visit: NextVisitConfig = NextVisitConfig()
    ials: IalsConfig = IalsConfig()
    ranker: RankerConfig = RankerConfig()

    @classmethod
    def parse(cls, text: str | None) -> "TrainingConfig":
        """Read a JSON object; nothing gives the defaults.

        Raises:
            BadInput: no JSON, or a key or value that does not fit; names it.
        """
        if not text:
            return cls()
        try:
            return cls.model_validate(json.loads(text))
        except json.JSONDecodeError as error:
            raise BadInput(f"--config is no JSON ({error}); give an object such as {{'seed': 1}}") from error
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in error.errors()
            )
            raise BadInput(f"--config: {faults}; known keys: {', '.join(cls.model_fields)}") from error

    def get_config(self) -> dict[str, Any]:
        """The configuration as plain values; `TrainingConfig.model_validate` reads them back."""
        return self.model_dump(mode="json")
