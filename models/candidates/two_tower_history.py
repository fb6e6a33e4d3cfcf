"""How a shopper's latest events become one vector: as a decayed mean, or by what attention makes of that mean.

Attention is additive (Bahdanau et al., ICLR 2015) with a learned query: an event's score is
`query . tanh(item vector . kernel + embedding of the event's age)`, and its decayed weight is multiplied by the score's
exponential. The query starts at zero, so learning starts from the decayed mean. An item's part is computed once for the
whole catalogue; what is left for an event is `ATTENTION_DIM` additions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.candidates.history import event_weights
from models.config import TrainingConfig
from models.interface import Floats, Ints
from models.snapshot import Snapshot

ATTENTION_DIM = 16
AGE_EDGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Ages, days, at which the next age embedding begins."""
NOTHING = -1e9
"""Score of an event that says nothing."""
_CHUNK = 1_000_000

Arrays = Mapping[str, NDArray[Any]]


def histories(snapshot: Snapshot, config: TrainingConfig, arrays: Arrays, items: Floats) -> sparse.csr_matrix:
    """Weights of each user's latest events, adding up to one: float32 CSR `[users, items]`.

    Args:
        items: float32 `[items, dim]`, item vectors.
    """
    log, settings = snapshot.events, config.two_tower
    end = snapshot.user_ptr[1:]
    begin = np.maximum(snapshot.user_ptr[:-1], end - settings.history)
    length = end - begin
    owner = np.repeat(np.arange(len(end)), length)
    at = np.repeat(begin - (np.cumsum(length) - length), length) + np.arange(len(owner))
    said, age = event_weights(snapshot, config.event_weights)[at], np.maximum(log.age_days[at], 0.0)
    weight = said * np.exp2(-age / settings.half_life_days)
    if settings.encoder == "attention":
        weight = (weight * attention(arrays, items, log.item[at], age, weight, length)).astype(np.float32)
    total = np.bincount(owner, weight, len(end))
    weight = (weight / np.maximum(total, 1e-12)[owner]).astype(np.float32)
    shape = (len(end), len(snapshot.items))
    return sparse.csr_matrix((weight, (owner, log.item[at])), shape=shape)


def attention(
    arrays: Arrays, items: Floats, item: Ints, age: Floats, weight: Floats, length: NDArray[np.int64]
) -> Floats:
    """Factors on the weights of events, float32 `[events]`; a shopper's largest is one.

    Args:
        item, age, weight: `[events]`, shopper by shopper; age in days, weight 0 = the event says nothing.
        length: `[users]`, how many of the events are a shopper's.
    """
    keys = items @ arrays["attention_kernel"]
    score = np.empty(len(item), np.float32)
    for start in range(0, len(item), _CHUNK):
        part = slice(start, start + _CHUNK)
        bucket = np.searchsorted(np.array(AGE_EDGES, np.float32), age[part], side="right")
        score[part] = np.tanh(keys[item[part]] + arrays["attention_age"][bucket]) @ arrays["attention_query"][:, 0]
    score[weight <= 0] = NOTHING
    has = length > 0
    first = (np.cumsum(length) - length)[has]
    return np.exp(score - np.repeat(np.maximum.reduceat(score, first), length[has])) if len(first) else score
