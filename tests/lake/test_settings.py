"""Settings are read once, checked at the border, and secrets are asked for only where they are needed."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lake.settings import Settings, SettingsError, settings


def test_places_follow_var(tmp_path: Path) -> None:
    places = Settings(var=tmp_path)
    assert places.lake_root == str(tmp_path / "lake")
    assert places.data == str(tmp_path / "deliveries")


def test_a_field_is_an_environment_variable_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_ROOT", "s3a://shop/lake")
    monkeypatch.setenv("PSEUDONYMISE", "false")
    assert Settings().lake_root == "s3a://shop/lake"
    assert Settings().pseudonymise is False


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Settings(var=tmp_path).threads = 4  # type: ignore[misc]


@pytest.mark.parametrize("key", ["", "short"])
def test_pseudonyms_without_a_key_say_what_to_do(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match="Set USER_KEY, run `make up`"):
        Settings(var=tmp_path, user_key=key).key()  # type: ignore[arg-type]


def test_the_key_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "user_key").write_text("0123456789abcdef\n")
    assert Settings(var=tmp_path).key() == b"0123456789abcdef"


def test_the_key_is_never_printed(tmp_path: Path) -> None:
    secret = Settings(var=tmp_path, user_key="a secret that is long")  # type: ignore[arg-type]
    assert "secret that" not in secret.model_dump_json() + repr(secret)


def test_a_wrong_value_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADS", "many")
    monkeypatch.setenv("ACCELERATOR", "")
    settings.cache_clear()
    with pytest.raises(SettingsError, match=r"wrong settings: THREADS='many': .*valid integer"):
        settings()


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSEUDONYMISE", "")
    assert Settings().pseudonymise is True
