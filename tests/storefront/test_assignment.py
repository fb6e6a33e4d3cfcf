"""Who is in which arm of an experiment: the vectors of docs/storefront.md, and what holds for any experiment."""

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency

from storefront import contract
from storefront.contract import BadExperiment, BadName, Experiment
from tests.storefront.test_contract import ANY_TEXT, vectors

SHOPPERS = [f"C{number:05d}" for number in range(4000)]
NAME = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True).filter(lambda name: name != contract.CONTROL)
SHARES = st.lists(st.integers(0, 100), min_size=1, max_size=5).map(
    lambda parts: [part / max(100, sum(parts)) for part in parts]
)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    shares = draw(SHARES)
    arms = draw(st.lists(NAME, min_size=len(shares), max_size=len(shares), unique=True))
    return Experiment(draw(NAME), draw(ANY_TEXT), dict(zip(arms, shares, strict=True)))


VECTORS = vectors("experiment-arms")
NODE = """
const crypto = require("crypto");
const found = JSON.parse(require("fs").readFileSync(0)).map(({ experiment: { salt, arms }, user }) => {
  const digest = crypto.createHash("sha256").update(`${salt}:${user}`, "utf8").digest();
  const lot = Number(digest.readBigUInt64BE(0) >> 11n) / 2 ** 53;
  let taken = 0;
  const arm = Object.entries(arms).find(([, share]) => lot < (taken += share))?.[0] ?? null;
  return [lot, arm];
});
console.log(JSON.stringify(found));
"""


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['experiment']['name']}-{v['user'][:8]}")
def test_arms_of_the_docs(vector: dict) -> None:
    experiment = Experiment.read(json.dumps(vector["experiment"]))
    assert contract.lot(experiment.salt, vector["user"]) == vector["lot"]
    assert contract.assign(experiment, vector["user"]) == vector["arm"]


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine")
def test_the_lines_of_javascript_say_the_same() -> None:
    run = subprocess.run(["node", "-e", NODE], input=json.dumps(VECTORS), capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [[vector["lot"], vector["arm"]] for vector in VECTORS]


@settings(deadline=None)
@given(experiments(), ANY_TEXT)
def test_an_experiment_survives_redis_and_a_shopper_stays_in_one_arm(experiment: Experiment, user: str) -> None:
    again = Experiment.read(experiment.text())
    assert again == experiment
    assert list(again.arms) == list(experiment.arms), "the order of the arms decides"
    assert contract.assign(again, user) == contract.assign(experiment, user)
    assert 0 <= contract.lot(experiment.salt, user) < 1


@settings(deadline=None, max_examples=25)
@given(experiments())
def test_shares_hold(experiment: Experiment) -> None:
    found = [contract.assign(experiment, user) for user in SHOPPERS]
    wanted = dict(experiment.arms) | {None: max(0.0, 1 - sum(experiment.arms.values()))}
    for arm, share in wanted.items():
        # One in ten million that chance does this, in hundreds of tries.
        assert binomtest(found.count(arm), len(found), min(1.0, share)).pvalue > 1e-7, arm


@settings(deadline=None, max_examples=25)
@given(st.lists(ANY_TEXT, min_size=2, max_size=2, unique=True))
def test_arms_do_not_depend_on_those_of_another_salt(salts: list[str]) -> None:
    one, two = (Experiment("e", salt, {"a": 0.5}) for salt in salts)
    table = [[0, 0], [0, 0]]
    for user in SHOPPERS:
        table[contract.assign(one, user) == "a"][contract.assign(two, user) == "a"] += 1
    assert chi2_contingency(table).pvalue > 1e-7


@settings(deadline=None, max_examples=50)
@given(experiments(), st.floats(0, 1))
def test_an_arm_behind_the_others_takes_shoppers_of_the_control_only(experiment: Experiment, part: float) -> None:
    left = max(0.0, 1 - sum(experiment.arms.values()))
    longer = Experiment(experiment.name, experiment.salt, {**experiment.arms, "one-more": part * left})
    for user in SHOPPERS[:300]:
        before, after = contract.assign(experiment, user), contract.assign(longer, user)
        assert after == before or (before is None and after == "one-more")


@pytest.mark.parametrize(
    ("name", "salt", "arms"),
    [
        ("", "s", {"a": 0.5}),
        ("a:b", "s", {"a": 0.5}),
        ("e", "", {"a": 0.5}),
        ("e", "s", {}),
        ("e", "s", {"a": 0.6, "b": 0.5}),
        ("e", "s", {"a": -0.1}),
        ("e", "s", {"a": float("nan")}),
        ("e", "s", {"control": 0.5}),
        ("e", "s", {"a b": 0.5}),
        ("e", "s", {"7": 0.5}),
    ],
)
def test_what_is_no_experiment_is_refused(name: str, salt: str, arms: dict[str, float]) -> None:
    with pytest.raises(BadExperiment):
        Experiment(name, salt, arms)


@pytest.mark.parametrize("text", ["", "{}", "[]", "7", '{"name": "e", "salt": "s", "arms": ["a"]}', '{"name": "e"}'])
def test_a_damaged_key_says_so(text: str) -> None:
    with pytest.raises(BadExperiment, match="cannot be read"):
        Experiment.read(text)


def test_its_key_stands_beside_the_pointers() -> None:
    assert contract.experiment_key("home") == "recs:home:experiment"
    with pytest.raises(BadName):
        contract.experiment_key("home@treatment")
