"""Keys and passwords of one stack: made once, one a file, readable by the owner only."""

import json
import os
import secrets
from pathlib import Path


def keep(path: Path, value: str) -> str:
    """The secret in a file; `value` is written first if there is no such file yet."""
    if not path.is_file():
        _write(path, value)
    return path.read_text().strip()


def token(path: Path) -> str:
    """A random secret of 43 characters, made at the first call."""
    return keep(path, secrets.token_urlsafe(32))


def fernet_key(path: Path) -> str:
    """A key for Airflow's encrypted connections (32 bytes, URL-safe base64), made at the first call."""
    from cryptography.fernet import Fernet

    return keep(path, Fernet.generate_key().decode())


def airflow_passwords(path: Path, user: str, password: str) -> None:
    """The simple auth manager's password file; Airflow invents a password for users that are not in it."""
    _write(path, json.dumps({user: password}) + "\n")


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    temporary.replace(path)
