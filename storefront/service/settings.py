"""The service's settings, each an environment variable and an option of the command line."""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _shared(name: str) -> AliasChoices:
    """A setting that the pipeline has too, under its plain name."""
    return AliasChoices(name, name.upper())


class ServiceSettings(BaseSettings):
    """Every setting is an environment variable: STOREFRONT_ and the name in capitals, or the plain name for REDIS_URL,
    USER_KEY, USER_KEY_FILE and MAX_AGE_SECONDS."""

    model_config = SettingsConfigDict(
        env_prefix="STOREFRONT_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        cli_prog_name="python -m storefront.service",
        cli_kebab_case=True,
    )

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    port: int = Field(8000, ge=1, le=65535, description="port to listen on")
    workers: int = Field(1, ge=1, le=64, description="processes; each has connections and caches of its own")
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        validation_alias=_shared("redis_url"),
        description="redis://, rediss://, redis+cluster:// or rediss+cluster://",
    )
    user_key: SecretStr = Field(
        SecretStr(""), validation_alias=_shared("user_key"), description="key of the pseudonyms; rather a file"
    )
    user_key_file: Path | None = Field(
        None, validation_alias=_shared("user_key_file"), description="file that holds the key of the pseudonyms"
    )
    max_age_seconds: float | None = Field(
        None, gt=0, validation_alias=_shared("max_age_seconds"), description="answers from older lists say stale"
    )
    timeout_seconds: float = Field(0.25, gt=0, description="how long to wait for Redis, all tries together")
    retries: int = Field(1, ge=0, description="tries after the first, when the connection to Redis is lost")
    connections: int = Field(50, ge=1, description="to Redis at most, a worker")
    breaker_failures: int = Field(5, ge=1, description="failures in a row after which Redis is left alone")
    breaker_seconds: float = Field(2.0, gt=0, description="how long it is, until one request tries again")
    keep_segments: int = Field(
        0, ge=0, description="segments' lists remembered, to be shown, called stale, while Redis is away; 0 none"
    )
    cors_origins: str = Field("", description="origins whose pages may ask, comma-separated, or *; empty none")
    extensions: str = Field(
        "", description="import strings of further routers or of callables that take the app, comma-separated"
    )
    access_log: bool = Field(False, description="a line a request")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    shutdown_seconds: int = Field(10, ge=0, description="how long requests in flight may take after a SIGTERM")

    def key(self) -> bytes | None:
        """The pseudonyms' key, if one is given.

        Raises:
            OSError: the file cannot be read.
        """
        if secret := self.user_key.get_secret_value():
            return secret.encode()
        return self.user_key_file.read_bytes().strip() if self.user_key_file else None

    def environment(self) -> dict[str, str]:
        """What was set, as environment variables: how further workers learn what the command line said."""
        shared = {name: name.upper() for name, field in type(self).model_fields.items() if field.validation_alias}
        given = {name: getattr(self, name) for name in self.model_fields_set}
        plain = {n: v.get_secret_value() if isinstance(v, SecretStr) else str(v) for n, v in given.items()}
        return {shared.get(name, f"STOREFRONT_{name.upper()}"): value for name, value in plain.items()}


def words(text: str) -> list[str]:
    """The parts of a comma-separated setting."""
    return [word.strip() for word in text.split(",") if word.strip()]
