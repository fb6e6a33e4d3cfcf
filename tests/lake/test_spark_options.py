"""What a driver is started with."""

from pathlib import Path

import pytest

from lake.errors import BadInput
from lake.settings import Settings
from lake.spark_options import at_home, started_elsewhere, started_with


@pytest.mark.parametrize(
    ("master", "home"),
    [
        ("local[*]", True),
        ("spark://127.0.0.1:7077", True),
        ("spark://localhost:7077", True),
        ("spark://master:7077", False),
        ("yarn", False),
        ("k8s://https://10.0.0.1:6443", False),
    ],
)
def test_a_driver_hides_on_loopback_only_if_nobody_else_has_to_reach_it(
    tmp_path: Path, master: str, home: bool
) -> None:
    (tmp_path / "a.jar").touch()
    options = started_with(Settings(jars=tmp_path, spark_master=master))
    assert at_home(master) is home
    assert options.get("spark.driver.host") == ("127.0.0.1" if home else None)
    assert options["spark.jars"] == f"{tmp_path}/a.jar"


def test_without_jars_the_set_up_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="make setup"):
        started_with(Settings(jars=tmp_path))


def test_an_image_finds_its_own_jars() -> None:
    options = started_elsewhere(Settings(), "/opt/nightshelf/.jars")
    assert "spark.jars" not in options
    assert (
        options["spark.driver.extraClassPath"] == options["spark.executor.extraClassPath"] == "/opt/nightshelf/.jars/*"
    )
