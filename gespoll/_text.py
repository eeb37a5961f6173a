"""Text of strangers, made fit to be shown.

Rule: whatever is shown, in an error, a log, a table or on a terminal, goes through `printable`: one line, bounded, and
nothing in it that moves a cursor, ends a line or turns the direction of writing. Fields keep the words as they came.
"""

from __future__ import annotations

WORD = 100
"""Letters of a name or a status word; the documents' longest has 30."""
REASON = 500
"""Letters of a reason; the longest in the API documents has 120."""
PATH = 1024
"""Letters of an object's path, which OBS bounds so."""
SENTENCE = 8000
"""Letters of a whole sentence: five files with path, cause and log."""


def printable(text: str, at_most: int = SENTENCE) -> str:
    """Return a text as one line that any log and terminal can take.

    Control characters (ESC, line ends, C1), marks of direction, lone surrogates and whatever else Unicode does not
    call printable are blanks then.

    Args:
        text: what somebody else wrote.
        at_most: letters; a longer text is cut, and ends in an ellipsis.
    """
    if len(text) > at_most:
        text = f"{text[: at_most - 1]}…"
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)
