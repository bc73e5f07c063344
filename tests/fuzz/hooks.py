"""What Schemathesis is told beyond its configuration (its `hooks` setting names this module)."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import schemathesis

KNOWN = "FUZZ_KNOWN"  # a file of ids and bodies of the event, so that calls come past the 404


@schemathesis.hook
def before_load_schema(_context: Any, document: dict[str, Any]) -> None:
    """Ids and bodies of the event at hand, as examples."""
    _without_tuples(document["components"])
    event = json.loads(Path(os.environ[KNOWN]).read_text())
    for path, operations in document["paths"].items():
        ids = next((ids for start, ids in event["ids"].items() if start in path), None)
        if path in event["bodies"]:
            (content,) = operations["post"]["requestBody"]["content"].values()
            content["example"] = event["bodies"][path]
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if ids and parameter["in"] == "path":
                    parameter["examples"] = {one: {"value": one} for one in ids}


def _without_tuples(node: Any) -> None:
    """Schemathesis 4.32 can't read `prefixItems`: such lists are held by their length alone."""
    if isinstance(node, dict):
        if node.pop("prefixItems", None) is not None:
            node["items"] = {}
        for part in node.values():
            _without_tuples(part)
    elif isinstance(node, list):
        for part in node:
            _without_tuples(part)


@schemathesis.deserializer("application/x-ndjson")
def lines(_context: Any, response: Any) -> Any:
    """Every line must be JSON; the last, which ends the page, stands for the form of all."""
    return [msgspec.json.decode(line) for line in response.content.splitlines()][-1]


@schemathesis.serializer("message/rfc822")
def mail(_context: Any, value: Any) -> bytes:
    """A bounce, as bytes; whatever else is tried goes as its text."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
