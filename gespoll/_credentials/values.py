"""What may stand in a header."""

from __future__ import annotations


def header_problem(name: str, value: object) -> str | None:
    """Tell in a sentence why a secret cannot be used, without showing it; `None` when it can."""
    if not isinstance(value, str):
        return f"{name} must be a str, not {type(value).__name__}"
    if not value.strip() or not value.isprintable() or not value.isascii():
        return f"{name} is empty or holds characters that cannot stand in a header"
    return None
