"""Cuts put together: ratios and intervals over all of them, shoppers drawn whole, the worst segment named."""

import json
import re
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree

import numpy as np
import pytest

from lake.clock import DayRange
from models import metrics, plots
from models.comparison import RIVAL, Evaluation, Measured
from models.evaluation_page import page
from models.evaluation_table import rolling_table, table
from models.metrics import Estimate
from models.rolling import Rolling

USERS = [f"u{number:02d}" for number in range(60)]


def cut(day: int, ours: float, seed: int, best: str = "a") -> Evaluation:
    """Baseline `best` has NDCG 0.2 and the other 0.1, ours `ours` times the best; shoppers of FR get nothing."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.1, 0.3, len(USERS))
    country = np.array(["GB"] * 40 + ["FR"] * 20, object)
    mine = np.where(country == "FR", 0.0, base * ours * base.sum() / base[:40].sum())

    def measured(values: np.ndarray) -> Measured:
        named = {f"{target}.{name}": values for target in ("all", "new") for name in ("ndcg", "recall", "hit_rate")}
        lists = {
            f"{target}.{name}": values for target in ("all", "new") for name in ("novelty", "diversity", "new_items")
        }
        numbers = {f"{target}.{name}": 0.5 for target in ("all", "new") for name in ("coverage", "gini")}
        return Measured(named | lists, numbers, places=np.arange(20))

    other = {"a": "b", "b": "a"}[best]
    return Evaluation(
        date(2026, 10, day),
        DayRange(date(2026, 10, day + 1), date(2026, 10, day + 5)),
        20,
        USERS,
        (3.0, 0.5),
        {"bundle": measured(mine), best: measured(base), other: measured(base / 2)},
        ("a", "b"),
        {"history": np.array(["hot"] * 30 + ["warm"] * 30, object), "country": country},
        alike="title",
    )


@pytest.fixture
def rolling() -> Rolling:
    return Rolling([cut(1, 1.6, 1), cut(8, 1.5, 2, best="b"), cut(15, 1.7, 3)])


def test_the_ratio_of_a_cut_is_to_its_own_best_baseline(rolling: Rolling) -> None:
    assert [each.best_baseline for each in rolling.cuts] == ["a", "b", "a"]
    assert [each.mean for each in rolling.ratios("bundle", "all")] == pytest.approx([1.6, 1.5, 1.7])


def test_pooled_is_the_ratio_of_all_and_a_shopper_is_drawn_whole(rolling: Rolling) -> None:
    pooled = rolling.pooled()
    assert len(pooled.users) == 180
    ours, rival = (
        np.concatenate([each.rankers[name].values["all.ndcg"] for each, name in zip(rolling.cuts, names, strict=True)])
        for names in (["bundle"] * 3, ["a", "b", "a"])
    )
    ratio = pooled.ratio("bundle", pooled.best_of("all"), "all.ndcg")
    assert pooled.best_of("all") == RIVAL
    assert ratio.mean == pytest.approx(ours.sum() / rival.sum())
    # Who gets nothing gets nothing on every cut: drawing rows alone would feign more shoppers than there are.
    alone = metrics.paired_ratio(ours, rival)
    assert ratio.high - ratio.low > 1.3 * (alone.high - alone.low)


def test_the_summary_is_strict_json(rolling: Rolling) -> None:
    figures = json.loads(json.dumps(rolling.as_dict(), allow_nan=False))
    told = figures["ratio_to_best_baseline"]["bundle"]["all"]
    assert told["mean"] == pytest.approx(1.6)
    assert told["lowest"] == pytest.approx(1.5)
    assert told["pooled_low"] < told["pooled"] < told["pooled_high"]
    assert figures["pooled"]["rankers"]["bundle"]["segments"]["all"]["worst"] == "country=FR"


def test_the_worst_segment_is_named_on_terminal_and_page(rolling: Rolling) -> None:
    one = rolling.cuts[0]
    worst = one.worst_segment("bundle")
    assert worst is not None
    assert (worst.dimension, worst.name, worst.users, worst.ndcg.mean) == ("country", "FR", 20, 0.0)
    assert "worst segment of bundle: country FR, NDCG@20 0.000 [0.000, 0.000]" in table(one)
    assert "Served worst: <b>country FR</b>" in page(Rolling([one]))


def test_the_table_tells_mean_lowest_and_pooled(rolling: Rolling) -> None:
    text = rolling_table(rolling)
    line = next(each for each in text.splitlines()[::-1] if each.startswith("bundle") and "1.500" in each)
    assert line.split()[1] == "1.600"
    assert "1.600     1.500" in line


def test_the_page_stands_alone_and_tells_every_ranker(rolling: Rolling) -> None:
    text = page(rolling)
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    assert all(f"<td>{name}</td>" in text for name in ("bundle", "a", "b", RIVAL))
    assert "better than the best simple method by +60%" in text
    assert text.count("<svg") >= 5
    assert "nan" not in text.lower().replace("finance", "")


def test_markup_in_names_is_shown_not_run() -> None:
    one = cut(1, 1.2, 1)
    evil = "<script>alert(1)</script>"
    rankers = {evil if name == "bundle" else name: each for name, each in one.rankers.items()}
    assert "<script" not in page(Rolling([replace(one, rankers=rankers)]))


def test_a_ranker_missing_or_refused_on_one_cut_is_not_pooled(rolling: Rolling) -> None:
    first, second, third = rolling.cuts
    refused = {**second.rankers, "bundle": Measured(refused="saw the window")}
    changed = Rolling([first, replace(second, rankers=refused), third])
    assert changed.pooled().contenders == []
    assert "not judged: saw the window" in rolling_table(changed)
    assert "saw the window" in page(changed)


def test_plots_are_well_formed_and_inside_their_frame(rolling: Rolling) -> None:
    """As XML, so that any reader draws them; marks lie where the scale says."""
    pictures = re.findall(r"<svg.*?</svg>", page(rolling), re.S)
    for picture in pictures:
        drawn = ElementTree.fromstring(picture)
        _, _, width, height = map(float, drawn.attrib["viewBox"].split())
        for circle in drawn.iter("circle"):
            assert 0 < float(circle.attrib["cx"]) < width
            assert 0 < float(circle.attrib["cy"]) < height
    one = Estimate(1.0, 0.5, 2.0, 9)
    drawn = ElementTree.fromstring(plots.intervals("<&'>", [plots.Dot("<b>'s", one)], line=1.0))
    assert float(next(drawn.iter("circle")).attrib["cx"]) == pytest.approx(
        float(drawn.find("path[@class='line']").attrib["d"].split("M")[1].split()[0])  # type: ignore[union-attr]
    )
