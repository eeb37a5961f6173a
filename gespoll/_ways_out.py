"""How requests get out of here: through which proxy, and with which certificates.

Rule: decides and sends nothing; the environment's variables are an argument. A proxy's password is shown nowhere. What
is given goes before the environment, netrc is never read, and no other machine is asked for an address of this one.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import attrs

from gespoll._endpoints import is_loopback

FilePath = str | os.PathLike[str]
"""Where a file is."""
ClientCert = FilePath | tuple[FilePath, FilePath]
"""A PEM file with a certificate and its key, or two of them."""
_CA_FILE = "SSL_CERT_FILE"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@attrs.frozen
class Proxy:
    """An HTTP proxy."""

    url: str
    """Without user and password."""
    authorization: str | None = attrs.field(default=None, repr=False)
    """The value of `Proxy-Authorization`."""
    password: str | None = attrs.field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What a request to the proxy carries."""
        return {} if self.authorization is None else {"Proxy-Authorization": self.authorization}

    @property
    def secrets(self) -> list[str]:
        """What must not be told when it is echoed."""
        told = [self.password, self.authorization, (self.authorization or "").removeprefix("Basic ")]
        return [each for each in told if each]

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


@attrs.frozen
class WaysOut:
    """What was given, and what the environment says."""

    proxy: Proxy | None = None
    """Given: for everything."""
    ca_bundle: Path | None = None
    client_cert: tuple[Path, Path | None] | None = None
    _variables: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Those of the environment that are about it."""

    @property
    def is_given(self) -> bool:
        """Whether anything does not come from the environment."""
        return any(each is not None for each in (self.proxy, self.ca_bundle, self.client_cert))

    def proxy_for(self, url: str) -> Proxy | None:
        """Choose the proxy of a request; `None` sends it directly.

        Raises:
            ValueError: when a variable of the environment names no proxy.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        chosen = self.proxy or self._from_environment(parts.scheme, host, parts.port)
        if chosen is not None and is_loopback(host) and not chosen.is_here:
            return None  # there it would be another machine, and plain http would leave this one
        return chosen

    def tls_context(self) -> ssl.SSLContext:
        """Make what verifies servers, and proves this client. Reads files: it blocks for some milliseconds.

        Raises:
            ValueError: when a file cannot be used.
        """
        told = self._variables.get(_CA_FILE)
        if self.ca_bundle is not None:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, **_places(self.ca_bundle))
        else:
            if told:  # which OpenSSL heeds itself, without a word where it cannot
                _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Path(told), _CA_FILE)
            context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        if self.client_cert is not None:
            _prove(context, self.client_cert)
        return context

    def _from_environment(self, scheme: str, host: str, port: int | None) -> Proxy | None:
        found = self._variable(f"{scheme}_proxy") or self._variable("all_proxy")
        if found is None or _is_exempt(host, port or _DEFAULT_PORTS.get(scheme, 0), self._exempt()):
            return None
        name, text = found
        proxy, problem = hidden_proxy(text, name)
        if problem:
            raise ValueError(problem)
        return proxy

    def _exempt(self) -> list[str]:
        found = self._variable("no_proxy")
        return [] if found is None else re.split(r"[\s,]+", found[1].strip())

    def _variable(self, name: str) -> tuple[str, str] | None:
        """Find a variable in either case, the lower one first, as curl does."""
        for each in (name, name.upper()):
            if self._variables.get(each, "").strip():
                return each, self._variables[each]
        return None


def read_ways_out(
    proxy: Proxy | None, ca_bundle: FilePath | None, client_cert: ClientCert | None, variables: Mapping[str, str]
) -> WaysOut:
    """Read what was given, and of the environment what is about it.

    Raises:
        TypeError: when a path is none.
        ValueError: when a file cannot be used; the text says why.
    """
    wanted = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", _CA_FILE.lower()}
    kept = {name: value for name, value in variables.items() if name.lower() in wanted}
    if "REQUEST_METHOD" in variables:
        kept.pop("HTTP_PROXY", None)  # in a CGI program it is what a client sent as the header Proxy
    ways = WaysOut(proxy, _path("ca_bundle", ca_bundle), _certificate(client_cert), kept)
    if ways.ca_bundle is not None:
        _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ways.ca_bundle, "ca_bundle")
    if ways.client_cert is not None:
        _prove(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ways.client_cert)
    return ways


def hidden_proxy(given: object, name: str = "proxy=") -> tuple[Proxy | None, str]:
    """Read a proxy, so that its password is shown nowhere; or tell in a sentence why it is none.

    The sentence is returned and not raised, because a traceback from here would hold the password.
    """
    if given is None or isinstance(given, Proxy):
        return given, ""
    if not isinstance(given, str):
        return None, f"{name} must be a URL as str, not {type(given).__name__}"
    advice = f"{name} must be the URL of an HTTP proxy and nothing more, such as http://proxy.example:3128"
    text = given.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None, advice
    if parts.scheme not in _DEFAULT_PORTS:
        return None, f"{advice}; {parts.scheme}:// is not spoken here"
    if not parts.hostname or parts.path not in {"", "/"} or parts.query or parts.fragment or not text.isprintable():
        return None, advice
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    url = f"{parts.scheme}://{host}{port}"
    if parts.username is None:
        return Proxy(url), ""
    password = unquote(parts.password or "")
    told = base64.b64encode(f"{unquote(parts.username)}:{password}".encode()).decode()
    return Proxy(url, f"Basic {told}", password), ""


def _is_exempt(host: str, port: int, entries: list[str]) -> bool:
    """Whether NO_PROXY names a host: by itself, its domain, its network, or with its port."""
    return any(_names(entry.lower(), host.lower().rstrip("."), port) for entry in entries if entry)


def _names(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if address is not None:
        return any(address in network for network in _networks(entry, port))
    name, colon, told = entry.rpartition(":")
    if colon and told.isdigit():
        if int(told) != port:
            return False
        entry = name
    domain = entry.removeprefix("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _networks(entry: str, port: int) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Read an entry as an address or a network, with or without a port."""
    bare, bracket, told = entry.removeprefix("[").partition("]")
    if not bracket and entry.count(":") == 1:
        bare, _, told = entry.partition(":")
    told = told.removeprefix(":")
    if told and told != str(port):
        return
    try:
        yield ipaddress.ip_network(bare, strict=False)
    except ValueError:
        return


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _path(name: str, given: object) -> Path | None:
    if given is None:
        return None
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given):
        raise TypeError(f"{name} must be the path of a file, not {given!r}")
    return Path(given).expanduser()


def _certificate(given: object) -> tuple[Path, Path | None] | None:
    if isinstance(given, (tuple, list)):
        if len(given) != 2:
            raise TypeError("client_cert must be the path of a PEM file, or two paths: of the certificate and its key")
        certificate, key = (_path("client_cert", each) for each in given)
    else:
        certificate, key = _path("client_cert", given), None
    return None if certificate is None else (certificate, key)


def _places(bundle: Path) -> dict[str, str]:
    return {"capath" if bundle.is_dir() else "cafile": str(bundle)}


def _trust(context: ssl.SSLContext, bundle: Path, name: str) -> None:
    """Load the certificates of authorities.

    Raises:
        ValueError: when there are none.
    """
    try:
        context.load_verify_locations(**_places(bundle))
    except ssl.SSLError:
        text = f"{name} {str(bundle)!r} holds no certificates: give a PEM file of the authorities to trust"
        raise ValueError(text) from None
    except OSError as error:
        raise ValueError(f"{name} {str(bundle)!r} cannot be read: {error.strerror}") from None


def _prove(context: ssl.SSLContext, certificate: tuple[Path, Path | None]) -> None:
    """Load a client's certificate; one whose key has a passphrase is refused, or OpenSSL would ask for it here."""
    shown = " and ".join(repr(str(each)) for each in certificate if each is not None)
    try:
        context.load_cert_chain(certificate[0], certificate[1], password="")
    except ssl.SSLError:
        raise ValueError(
            f"client_cert {shown} cannot be used: give a certificate and its key, without a passphrase, as PEM"
        ) from None
    except OSError as error:
        raise ValueError(f"client_cert {shown} cannot be read: {error.strerror}") from None
