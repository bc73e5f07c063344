"""Lists that other ticket shops export: recognised by headings that stand together in no other.

The headings are those of Eventbrite's attendee report and of pretix's lists of order positions
and of check-ins, in English (docs/imports.md tells where they were looked up).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sync_server.registration.plain import plain
from sync_server.registration.quality import Fault

REGISTERED, CANCELLED = "registered", "cancelled"
_NOT_PAID = "not paid"


@dataclass(frozen=True, slots=True)
class Export:
    """`signs`: one of these groups of headings must be there as a whole. `columns`: heading →
    field, in order of preference. `statuses`: the export's word → ours.
    """

    name: str
    signs: tuple[frozenset[str], ...]
    columns: Mapping[str, str]
    statuses: Mapping[str, str]

    def status(self, word: str) -> str | Fault:
        """Our word for a status; a word nobody knows is left for the usual rules to refuse."""
        ours = self.statuses.get(plain(word), word)
        if ours != _NOT_PAID:
            return ours
        return Fault(
            "status",
            "unknown_status",
            f"“{word}” in {self.name}: not paid yet. Import the list again when it is.",
            f"{self.name}의 “{word}”: 아직 결제되지 않았습니다. 결제된 뒤 목록을 다시 가져오세요.",
        )


def _signs(*groups: Sequence[str]) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(map(plain, group)) for group in groups)


def _columns(headings: Mapping[str, str]) -> dict[str, str]:
    return {plain(heading): field for heading, field in headings.items()}


EVENTBRITE = Export(
    "Eventbrite",
    _signs(
        ("Order #", "Attendee #"),
        ("Attendee #", "Attendee Status"),
        ("Order #", "Attendee Status"),
        ("Order ID", "Attendee Status"),
        ("Order ID", "Attendee first name", "Attendee last name"),
        ("Order #", "Ticket Type", "First Name", "Last Name"),
    ),
    _columns({
        "Attendee name": "name", "Name": "name",
        "Attendee first name": "firstName", "First Name": "firstName",
        "Attendee last name": "lastName", "Attendee surname": "lastName",
        "Last Name": "lastName", "Surname": "lastName",
        "Attendee email": "email", "Email": "email", "Email Address": "email",
        "Buyer email": "buyerEmail", "Purchaser email": "buyerEmail",
        "Buyer name": "buyerName",
        "Ticket Type": "group", "Ticket name": "group",
        "Cell Phone": "phone", "Mobile Phone": "phone", "Attendee cell phone": "phone",
        "Phone Number": "phone", "Phone": "phone", "Home Phone": "phone", "Work Phone": "phone",
        "Company": "organization", "Company / Organization": "organization",
        "Organization": "organization",
        "Birth Date": "birthDate", "Date of Birth": "birthDate",
        "Home Country": "region", "Country": "region",
        "Attendee Status": "status",
        "language": "language", "언어": "language",
    }),
    {
        "attending": REGISTERED, "checkedin": REGISTERED,
        "notattending": CANCELLED, "deleted": CANCELLED, "refunded": CANCELLED,
        "cancelled": CANCELLED, "canceled": CANCELLED, "transferred": CANCELLED,
        "unpaid": _NOT_PAID, "pending": _NOT_PAID,
    },
)  # fmt: skip

PRETIX = Export(
    "pretix",
    _signs(
        ("Order code", "Position ID"),
        ("Order code", "Attendee name"),
        ("Order code", "Attendee email"),
        ("Order code", "Product", "Secret"),
        ("Order code", "Product", "E-mail"),
    ),
    _columns({
        "Attendee name": "name",
        "Attendee name: Given name": "firstName", "Attendee name: First name": "firstName",
        "Attendee name: Family name": "lastName", "Attendee name: Last name": "lastName",
        "Attendee email": "email", "Attendee e-mail": "email",
        "E-mail": "buyerEmail",  # plain: also “Email”
        "Invoice address name": "buyerName",
        "Phone number": "phone", "Phone": "phone",
        "Company": "organization",
        "Product": "group", "Item": "group",
        "Country": "region",
        "Status": "status", "Order status": "status", "Paid": "status",
        "Blocked": "blocked",
        "Date of birth": "birthDate", "Birth date": "birthDate",
        "Order locale": "language",
        "language": "language", "언어": "language",
    }),
    {
        "paid": REGISTERED, "p": REGISTERED, "yes": REGISTERED, "valid": REGISTERED,
        "canceled": CANCELLED, "cancelled": CANCELLED, "c": CANCELLED,
        "pending": _NOT_PAID, "n": _NOT_PAID, "no": _NOT_PAID, "expired": _NOT_PAID,
        "e": _NOT_PAID, "pendingoverdue": _NOT_PAID, "approvalpending": _NOT_PAID,
        "pendingapproval": _NOT_PAID, "awaitingapproval": _NOT_PAID,
    },
)  # fmt: skip

EXPORTS = (EVENTBRITE, PRETIX)


def export_of(headings: Sequence[str]) -> Export | None:
    """Whose export these headings are of."""
    present = {plain(heading) for heading in headings}
    for export in EXPORTS:
        if any(group <= present for group in export.signs):
            return export
    return None
