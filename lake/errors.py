"""The three ways a command can end badly, so that a scheduler knows whether trying again can help."""


class NightshelfError(Exception):
    """Base of the errors a person is meant to read: the message names what was found, what was expected, what to do."""

    exit_code = 70


class BadInput(NightshelfError, ValueError):
    """Input, settings or arguments are wrong. Trying again gives the same; exit code 65."""

    exit_code = 65


class GateFailed(BadInput):
    """A check of severity `fail` was breached; what the gate guards was not replaced. Exit code 66."""

    exit_code = 66


class Unavailable(NightshelfError, RuntimeError):
    """A service, a lock or a delivery is not there yet. Trying again later can help; exit code 75."""

    exit_code = 75
