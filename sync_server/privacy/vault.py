"""The one seam through which personal fields pass (DESIGN §7).

For now it passes text through; encryption under a key per participant comes behind the same
four names, and nothing else reads or writes a personal column.
"""

import hmac


class Vault:
    """Seals and opens personal text, and makes keyed digests to search by."""

    def __init__(self, master_key: bytes) -> None:
        self._master_key = master_key

    def seal(self, text: str | None) -> str | None:
        """What may be stored; None stays None."""
        return text

    def open(self, sealed: str | None) -> str | None:
        """The text that was sealed."""
        return sealed

    def seal_text(self, text: str) -> str:
        """`seal` for a field that always has a text."""
        return self.seal(text) or ""

    def open_text(self, sealed: str) -> str:
        """`open` for a field that always has a text."""
        return self.open(sealed) or ""

    def email_key(self, email: str) -> str:
        """32 hex digits by which an e-mail is found, upper or lower case alike."""
        normal = email.strip().lower().encode()
        return hmac.digest(self._master_key, b"email\x00" + normal, "sha256")[:16].hex()
