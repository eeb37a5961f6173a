"""The poller that the options ask for.

Rule: whatever is wrong with the options is told in the words of the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import gespoll
from gespoll.cli._credentials import credentials_of
from gespoll.cli._exit import UsageError
from gespoll.cli._options import Service

_SPOKEN = {
    "connect() was not given and did not find": "not given and not found:",
    "credentials=": "--token-file, --token-command",
    "project_id=": "--project",
    "endpoint=": "--endpoint",
    "region=": "--region",
    "max_per_second=": "--rate ",
    "allow_http=True": "--allow-http",
    "project_id '": "--project '",
    "pass connect(status_words=...) to say what the word means": "say what the word means with --status-word",
    "tell connect(status_words=...) what the word means": "say with --status-word what the word means",
    "status_words: ": "--status-word: ",
    "status_words gives": "--status-word gives",
    "(pending_timeout)": "(--pending-timeout)",
    "give graph=": "give its graph with --graph, or as graph/job",
}
"""The library's words, and those of the command line."""


@contextmanager
def told_as_usage() -> Iterator[None]:
    """Turn the library's complaints about arguments into those about options."""
    try:
        yield
    except ValueError as error:
        raise UsageError(spoken(error)) from None


def spoken(error: Exception) -> str:
    """Word an error for somebody who sees options."""
    text = str(error)
    for word, option in _SPOKEN.items():
        text = text.replace(word, option)
    return text


def poller_of(service: Service, graphs: Iterable[str] = (), **knobs: Any) -> gespoll.Poller:
    """Make the poller.

    Args:
        service: the options.
        graphs: names of the graphs whose engine `service.endpoint` is.
        knobs: as for `gespoll.Poller`.

    Raises:
        UsageError: when an option cannot work, or something is neither given nor found.
    """
    where: dict[str, Any] = {"endpoint": service.endpoint, "region": service.region, "api": service.api}
    if service.plane == "engine":
        where = {"engines": _engines(service, graphs), "region": service.region}
    with told_as_usage():
        return gespoll.connect(
            project_id=service.project,
            credentials=credentials_of(service.token_file, service.token_command),
            allow_http=service.allow_http,
            status_words=_status_words(service.status_word) or None,
            **where,
            **knobs,
        )


def _status_words(typed: Iterable[str]) -> dict[str, str]:
    words: dict[str, str] = {}
    for each in typed:
        word, sign, status = each.partition("=")
        if not sign:
            raise UsageError(f"--status-word {each!r} must be WORD=STATUS, such as halted=cancelled")
        if words.setdefault(word, status) != status:
            raise UsageError(f"--status-word gives {word!r} two meanings: {words[word]} and {status}")
    return words


def _engines(service: Service, graphs: Iterable[str]) -> dict[str, str]:
    if service.endpoint is None:
        raise UsageError("--plane engine needs --endpoint, the URL of the graphs' engine")
    if service.api != "v2":
        raise UsageError("--api is of the management plane: leave it out with --plane engine")
    engines = dict.fromkeys(graphs, service.endpoint)
    if not engines:
        raise UsageError("--plane engine needs the name of a graph: give --graph, or jobs as graph/job")
    return engines
