"""What goes wrong when lists are read; the messages say what to do."""


class StorefrontError(RuntimeError):
    """The lists cannot be read."""


class NoLists(StorefrontError):
    """Nothing is published on the surface."""


class UnknownSurface(NoLists):
    """Nothing was ever published on the surface, and it is not the default one."""


class NeedsKey(StorefrontError):
    """The lists are filed under pseudonyms and the client was given no key."""


class RedisDown(StorefrontError):
    """Redis does not answer.

    Attributes:
        retry_after: seconds after which it is worth asking again.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
