"""Why a supervisor's wish is not met: a name for the page and an HTTP status for the route."""

from shared.errors import PermanentError


class ManualError(PermanentError):
    """A supervisor's wish can't be met."""

    status = 422
    code = "not_possible"
    retry_after_s: int | None = None


class WrongPinError(ManualError):
    """Name or PIN is wrong."""

    status, code = 403, "wrong_pin"


class LockedError(ManualError):
    """Too many wrong PINs: wait a minute."""

    status, code = 429, "locked"

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"Too many wrong PINs: wait {wait_s} s.")
        self.retry_after_s = wait_s


class NoSessionError(ManualError):
    """Sign in with your PIN first: a session lasts five minutes."""

    status, code = 401, "no_session"


class NoSuchScanError(ManualError):
    """This gate has no such scan."""

    status, code = 404, "scan_not_found"


class TooLateError(ManualError):
    """A scan can be taken back within 15 minutes; later on the live page."""

    code = "too_late"


class NotAdmittedError(ManualError):
    """Only an admission can be taken back."""

    code = "not_admitted"


class TakenBackError(ManualError):
    """This scan was taken back already."""

    status, code = 409, "taken_back"
