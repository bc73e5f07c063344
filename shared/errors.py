"""The product's own errors: one small tree. An exception's docstring is its default message."""


class GatesyncError(Exception):
    """Gatesync could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or type(self).__name__).strip().splitlines()[0])


class TransientError(GatesyncError):
    """It did not work this time; trying again later may help."""


class PermanentError(GatesyncError):
    """It will not work however often it is tried."""


class UsageError(PermanentError):
    """Wrong use or unreadable input: one line that says what, where and how to mend it (exit 2)."""


class NewerDataError(UsageError):
    """The data folder was written by a newer version of Gatesync; install that version."""


class RefusedError(PermanentError):
    """The other side said no, or a check failed (exit 1)."""


class WireError(PermanentError):
    """A message from the other side that does not follow API.md."""
