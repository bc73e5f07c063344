"""One-use enrolment codes and the URL that a gate's camera reads."""

import secrets

from shared.credentials import ALPHABET
from sync_server.identity.keys import ServerKeys

_GROUPS, _LETTERS = 3, 4  # 60 random bits, an hour to live, few tries a minute


def make_code() -> str:
    """As `7K3M-Q0ZR-X4TB`."""
    return "-".join(
        "".join(secrets.choice(ALPHABET) for _ in range(_LETTERS)) for _ in range(_GROUPS)
    )


def enrolment_url(base_url: str, code: str, keys: ServerKeys) -> str:
    """The fragment never reaches a server's log; `key` is the server key's fingerprint."""
    return f"{base_url.rstrip('/')}/enrol#code={code}&key={keys.fingerprint}"
