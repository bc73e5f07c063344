"""Who may do what: each route names one right, each caller has one role (API §2).

    owner ⊃ operator ⊃ supervisor ⊃ viewer     people, and keys made with these roles
    service                                    keys of partner systems: attendance and tickets
    device                                     an enrolled gate: sync only

Owners and operators may also make a partner's calls (they could do the same by hand); nobody but a
device ever syncs.
"""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    VIEWER = "viewer"
    SERVICE = "service"
    DEVICE = "device"


class Right(StrEnum):
    """What a route asks for; the text stands in the OpenAPI document."""

    ANYONE = "anyone"
    PROBE = "probe"  # anyone on the server's own machine, else a viewer
    VIEWER = "viewer"
    SUPERVISOR = "supervisor"
    OPERATOR = "operator"
    OWNER = "owner"
    SERVICE = "service"
    DEVICE = "device"


_EVERYBODY = frozenset(Role)
_UP_TO: dict[Right, frozenset[Role]] = {
    Right.ANYONE: _EVERYBODY,
    Right.PROBE: frozenset({Role.OWNER, Role.OPERATOR, Role.SUPERVISOR, Role.VIEWER}),
    Right.VIEWER: frozenset({Role.OWNER, Role.OPERATOR, Role.SUPERVISOR, Role.VIEWER}),
    Right.SUPERVISOR: frozenset({Role.OWNER, Role.OPERATOR, Role.SUPERVISOR}),
    Right.OPERATOR: frozenset({Role.OWNER, Role.OPERATOR}),
    Right.OWNER: frozenset({Role.OWNER}),
    Right.SERVICE: frozenset({Role.OWNER, Role.OPERATOR, Role.SERVICE}),
    Right.DEVICE: frozenset({Role.DEVICE}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who has proved who they are. `state` is a device's: active, adopted or revoked."""

    role: Role
    caller_id: str
    name: str
    by_cookie: bool = False
    state: str = "active"


def allows(right: Right, role: Role) -> bool:
    return role in _UP_TO[right]
