"""The one exception that a user is meant to read."""


class BadInput(Exception):
    """Something the user gave cannot be used. The message is one line: what, where, and what to do."""
