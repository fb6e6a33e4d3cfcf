"""What programs of the stack see: handed-over settings, paths, no telemetry, and a file that a shell reads back."""

import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.embedded import environment
from infra.embedded.layout import HOME, SOCKET_PATH_LIMIT, Layout, StackSettings
from lake.errors import BadInput

PORTS = {"postgres": 5432, "redis": 6379, "mlflow": 5000, "airflow": 8080, "storefront": 8000}
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r"), max_size=40)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout.of(tmp_path / "var")
    made.make()
    return made


def test_relative_paths_are_meant_from_the_checkout() -> None:
    found = environment.given({"SOURCE": "sources/online_retail.yaml", "DATA": "s3://bucket/log"})
    assert found == {"SOURCE": str(HOME / "sources/online_retail.yaml"), "DATA": "s3://bucket/log"}


def test_what_was_not_given_or_is_not_a_setting_is_not_handed_over() -> None:
    found = environment.given({"THREADS": "", "HOME": "/root", "VAR": "x", "REDIS_URL": "y", "ACCELERATOR": "cpu"})
    assert found == {"ACCELERATOR": "cpu"}


def test_the_services_settings_are_handed_over_but_not_its_place() -> None:
    given = {"MAX_AGE_SECONDS": "90", "STOREFRONT_EXTENSIONS": "a:b", "STOREFRONT_PORT": "1", "STOREFRONT_TEAPOT": "x"}
    assert environment.given(given) == {"MAX_AGE_SECONDS": "90", "STOREFRONT_EXTENSIONS": "a:b"}


def test_handed_over_values_win_and_the_stack_answers_for_its_own(layout: Layout) -> None:
    built = environment.build(layout, PORTS, {"LAKE_ROOT": "s3a://bucket/lake", "REDIS_URL": "wrong"})
    assert built["LAKE_ROOT"] == "s3a://bucket/lake"
    assert built["REDIS_URL"] == "redis://127.0.0.1:6379/0"
    assert built["MLFLOW_DISABLE_TELEMETRY"] == built["DO_NOT_TRACK"] == "true"
    assert built["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("postgresql+psycopg2://")


def test_secrets_are_made_once_and_for_the_owner_only(layout: Layout) -> None:
    first = environment.build(layout, PORTS, {})
    assert environment.build(layout, PORTS, {}) == first
    for path in layout.secrets.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@given(st.dictionaries(st.sampled_from(["SOURCE", "DATA", "USER_KEY"]), TEXT, min_size=1))
@settings(max_examples=25, deadline=None)
def test_a_shell_reads_the_file_back_exactly(values: dict[str, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "environment"
        environment.write(path, values)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for name, value in values.items():
            script = f'. "{path}"; printf %s "${name}"'
            out = subprocess.run(["/bin/sh", "-c", script], capture_output=True).stdout
            assert out.decode() == value


def test_values_are_read_back_here_too(tmp_path: Path) -> None:
    values = {"A": "it's", "B": "a b=c", "C": "two\nlines"}
    environment.write(tmp_path / "environment", values)
    assert environment.read(tmp_path / "environment") == values


def test_a_long_var_gets_a_socket_that_a_kernel_takes(tmp_path: Path) -> None:
    deep = Layout(tmp_path / ("d" * 60) / ("e" * 60))
    assert len(str(deep.supervisor_socket)) <= SOCKET_PATH_LIMIT
    assert Layout(tmp_path / "other").supervisor_socket != deep.supervisor_socket


@pytest.mark.parametrize("var", [".", "/", str(HOME), str(HOME.parent), "infra/.."])
def test_a_var_that_holds_the_code_is_refused(var: str) -> None:
    with pytest.raises(BadInput, match="holds the code itself"):
        Layout.of(Path(var))


def test_an_empty_var_is_no_var(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAR", "")
    assert Layout.of(StackSettings().var) == Layout(HOME / "var")
