"""What may stand in a header, and what no secret is made of."""

from __future__ import annotations

from typing import Any, NoReturn, Self


def header_problem(name: str, value: object) -> str | None:
    """Tell in a sentence why a secret cannot be used, without showing it; `None` when it can."""
    if not isinstance(value, str):
        return f"{name} must be a str, not {type(value).__name__}"
    if not value.strip() or not value.isprintable() or not value.isascii():
        return f"{name} is empty or holds characters that cannot stand in a header"
    return None


class HoldsSecrets:
    """Refuses to be pickled: a pickle is a file, a queue or a cache in which the secret would stand readable."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds secrets and is not pickled: hand over what finds them, such as the name of a "
            "file or an environment variable, and make the credentials in the process that uses them"
        )

    def __copy__(self) -> Self:
        """Copy it within the process; what was refused of the one counts for the other."""
        new = object.__new__(type(self))
        vars(new).update(vars(self))
        return new

    def __deepcopy__(self, memo: Any) -> Self:
        """Copy it likewise, not the secrets and what is known of them."""
        return self.__copy__()
