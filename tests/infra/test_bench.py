"""The bench's arithmetic; its measurements are no tests."""

from infra.bench.figures import Figure, in_turns, table


def figure(**given: object) -> Figure:
    return Figure("speed", "x/s", (8.0, 9.0, 1.0), (10.0, 10.0, 10.0), "the bound", **given)  # type: ignore[arg-type]


def test_the_ratio_is_the_median_of_the_runs_own_ratios() -> None:
    assert figure().ratios == (0.8, 0.9, 0.1)
    assert figure().ratio == 0.8


def test_a_bar_is_a_lower_bound_unless_it_is_said_to_be_the_most() -> None:
    assert figure().met is None
    assert figure(bar=0.8).met is True
    assert figure(bar=0.81).met is False
    assert figure(bar=0.8, most=True).met is True
    assert figure(bar=0.79, most=True).met is False


def test_runs_are_taken_in_turns_after_a_round_that_is_not_counted() -> None:
    calls: list[str] = []

    def counted(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    first, second = in_turns(2, lambda: counted("a"), lambda: counted("b"))
    assert calls == ["a", "b"] * 3
    assert (first, second) == ((3.0, 5.0), (4.0, 6.0))


def test_the_table_says_what_was_missed() -> None:
    text = table([figure(bar=2.0), figure(bar=0.5), figure()])
    assert text.count("**missed**") == 1
    assert text.count("| met |") == 1
