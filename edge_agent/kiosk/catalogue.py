"""Every text of the kiosk, one file a language: `static/words.ko.json`, `static/words.en.json`.

The page reads the same files; a test holds that none is missing and that their `{…}` agree.
"""

from functools import cache
from pathlib import Path

import msgspec

from shared.reasons import Words

FOLDER = Path(__file__).parent / "static"
LANGUAGES = ("ko", "en")


@cache
def texts(language: str) -> dict[str, str]:
    return msgspec.json.decode(
        (FOLDER / f"words.{language}.json").read_bytes(), type=dict[str, str]
    )


def words(key: str) -> Words:
    """One text in both languages; KeyError where a catalogue lacks it."""
    return Words(en=texts("en")[key], ko=texts("ko")[key])
