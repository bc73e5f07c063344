"""Base 45 (RFC 9285): bytes in the QR alphanumeric alphabet, two bytes to three characters.

Twenty lines instead of a dependency: the PyPI package is unmaintained and this never changes.
"""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUE = {letter: value for value, letter in enumerate(_ALPHABET)}


def encode(data: bytes) -> str:
    letters: list[str] = []
    for start in range(0, len(data), 2):
        pair = data[start : start + 2]
        number = int.from_bytes(pair)
        for _ in range(len(pair) + 1):
            number, rest = divmod(number, 45)
            letters.append(_ALPHABET[rest])
    return "".join(letters)


def decode(text: str) -> bytes:
    """The bytes of `text`; ValueError where it is no base 45."""
    data = bytearray()
    for start in range(0, len(text), 3):
        group = text[start : start + 3]
        try:
            number = sum(_VALUE[letter] * 45**place for place, letter in enumerate(group))
            data += number.to_bytes(len(group) - 1)
        except (KeyError, OverflowError) as error:
            raise ValueError(f"not base 45: {group!r}") from error
        if len(group) == 1:
            raise ValueError("not base 45: a single character is left over")
    return bytes(data)
