"""Who decided by hand, by name: an override holds the supervisor's id alone."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, select

from sync_server.storage.chunks import select_in
from sync_server.storage.schema import people

_NAMES = select(people.c.operator_id, people.c.name)
Override = Mapping[str, Any]


def overriders(conn: Connection, overrides: Iterable[Override | None]) -> dict[str, str]:
    """Names by operator id; no question where nobody overrode."""
    ids = {str(one.get("operatorId")) for one in overrides if one}
    return {row.operator_id: row.name for row in select_in(conn, _NAMES, people.c.operator_id, ids)}


def with_name(override: Override | None, names: Mapping[str, str]) -> dict[str, Any] | None:
    """The override as people read it: `operatorName` is null for one whom the server forgot."""
    if not override:
        return None
    return {**override, "operatorName": names.get(str(override.get("operatorId")))}
