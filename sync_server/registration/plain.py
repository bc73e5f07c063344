"""Headings as they are compared."""

import unicodedata


def plain(heading: str) -> str:
    """A heading without case, spaces, marks and invisible characters."""
    text = unicodedata.normalize("NFKC", heading).casefold()
    return "".join(letter for letter in text if letter.isalnum())
