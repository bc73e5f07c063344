"""The few HTTP calls that the demo makes, as an organiser who has signed in."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from processes import DemoError

TIMEOUT_S = 20


class Organiser:
    def __init__(self, url: str, name: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._token = ""
        self._token = self.call("POST", "/session", {"name": name, "password": password})["token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = Request(f"{self._url}/api/v1{path}", method=method)  # noqa: S310 - our own server
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urlopen(request, data, TIMEOUT_S) as answer:  # noqa: S310 - our own server
                text = answer.read()
        except HTTPError as error:
            detail = error.read().decode("utf-8", "replace")[:200]
            raise DemoError(f"{method} {path} was answered {error.code}: {detail}") from error
        return json.loads(text) if text else None
