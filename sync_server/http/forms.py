"""What the OpenAPI document says of texts and numbers beyond their type.

`Shown` limits stand in the document alone: the handler checks them itself and refuses in words that
a person understands, where the library would name a pattern.
"""

from typing import Annotated

from msgspec import Meta

from shared.limits import (
    CODE_CHARS_MAX,
    FIELD_CHARS_MAX,
    LIST_ITEMS_MAX,
    NAME_CHARS_MAX,
    PARTNER_ID_CHARS_MAX,
)

_SOMETHING = r"\S"  # more than white space

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
At = Annotated[
    str,
    Meta(
        description="UTC, with milliseconds",
        extra_json_schema={"pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"},
    ),
]
LocalAt = Annotated[
    str,
    Meta(
        description="In the event's time zone, with its offset",
        extra_json_schema={"pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[+-]\d{2}:\d{2}$"},
    ),
]
RowCursor = Annotated[
    str, Meta(description="From an earlier answer", extra_json_schema={"pattern": r"^[0-9]{1,18}$"})
]
ChangesCursor = Annotated[
    str,
    Meta(
        description="`generation.revision`",
        extra_json_schema={"pattern": r"^[0-9a-f]{1,32}\.[0-9]{1,15}$"},
    ),
]
ItemsAtMost = Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": LIST_ITEMS_MAX})]
Name = Annotated[
    str,
    Meta(extra_json_schema={"minLength": 1, "maxLength": NAME_CHARS_MAX, "pattern": _SOMETHING}),
]
Because = Annotated[
    str,
    Meta(extra_json_schema={"minLength": 1, "maxLength": FIELD_CHARS_MAX, "pattern": _SOMETHING}),
]
PartnerId = Annotated[
    str, Meta(extra_json_schema={"minLength": 1, "maxLength": PARTNER_ID_CHARS_MAX})
]
Code = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": CODE_CHARS_MAX})]
Pin = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9]{6,12}$"})]
Password = Annotated[str, Meta(extra_json_schema={"minLength": 8, "maxLength": 1_000})]
PersonName = Annotated[str, Meta(extra_json_schema={"maxLength": 100, "pattern": _SOMETHING})]
PublicKey = Annotated[
    str,
    Meta(
        description="32 bytes in base64url without padding",
        extra_json_schema={"pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"},
    ),
]
