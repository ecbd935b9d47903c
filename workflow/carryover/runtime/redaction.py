"""Redaction: the home directory and secrets are taken out of every text that leaves a job (its log, its provenance)."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY", re.IGNORECASE)
SHORTEST_SECRET = 8  # a shorter value would hide ordinary words
IN_URL = re.compile(r"(?<=://)[^/\s@\"']+@")  # user and password


def redact(text: str) -> str:
    """The text with `~` for the home directory, and `***` for logins in URLs and values of variables that name secrets."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    for home in _homes():
        text = re.sub(rf"(?<![\w.-]){re.escape(home)}(?![\w.-])", "~", text)
    return IN_URL.sub("***@", text)


@lru_cache
def _homes() -> tuple[str, ...]:
    try:
        home = Path.home()
    except RuntimeError:  # a container without a user
        return ()
    found = {str(home), str(home.resolve())} - {"/", "."}
    return tuple(sorted(found, key=len, reverse=True))


@lru_cache
def _secrets() -> tuple[str, ...]:
    values = {value for name, value in os.environ.items() if SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET}
    return tuple(sorted(values, key=len, reverse=True))
