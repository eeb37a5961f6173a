"""What a program's environment says: which endpoint, which project, which credentials.

Rule: pure; the variables and the reader of files are arguments. Whatever was given goes first, then the
names of the vendor's SDK, then those of its Terraform provider, then the SDK's credentials file.
Credentials are taken whole from one place, and half of them is an error and no reason to look further.
"""

from __future__ import annotations

import configparser
from collections.abc import Callable, Iterator, Mapping

import attrs

from gespoll._credentials import AccessKey, Credentials, PasswordCredentials, Token
from gespoll._endpoints import of_region

ReadFile = Callable[[str], str | None]
"""Gives the text of a file, in which a leading `~` stands for the home directory; `None` when there is none."""

_FILE = "HUAWEICLOUD_SDK_CREDENTIALS_FILE"
_DEFAULT_FILE = "~/.huaweicloud/credentials"
_SECTION = "basic"
_PROJECTS = ("HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID")
_REGION = "HW_REGION_NAME"
_IAM = "HUAWEICLOUD_SDK_IAM_ENDPOINT"
_OVERRIDE = "HUAWEICLOUD_SDK_REGION_GES_"
_KEYS = (
    ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
    ("HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN"),
)
_TOKEN = "HW_AUTH_TOKEN"
_USER = ("HW_USER_NAME", "HW_USER_PASSWORD", "HW_DOMAIN_NAME")


@attrs.frozen(kw_only=True)
class Given:
    """What `connect` was given."""

    endpoint: str | None = None
    project_id: str | None = None
    region: str | None = None
    credentials: Credentials | None = None


@attrs.frozen(kw_only=True)
class Found:
    """What a source needs."""

    endpoint: str
    project_id: str
    credentials: Credentials


def complete(given: Given, variables: Mapping[str, str], read: ReadFile) -> tuple[Found | None, str]:
    """Complete what was given by what the environment says.

    Args:
        given: what is not to be looked for.
        variables: the environment's variables; a blank one counts as not set.
        read: reads the credentials file, and is called only when something is looked for there.

    Returns:
        All that a source needs, or `None` and a sentence that lists all that is missing and where it was looked
        for. It is returned and not raised, because a traceback from here would hold the variables.
    """
    search = _Search(given, variables, read)
    endpoint, project_id, credentials = search.endpoint(), search.project_id(), search.credentials()
    if endpoint is None or project_id is None or credentials is None:
        return None, f"connect() was not given and did not find {'; '.join(search.missing)}"
    return Found(endpoint=endpoint, project_id=project_id, credentials=credentials), ""


class _Search:
    """Looks for one thing after the other, and remembers what is missing."""

    def __init__(self, given: Given, variables: Mapping[str, str], read: ReadFile) -> None:
        self.missing: list[str] = []
        self._given = given
        self._variables = variables
        self._read = read
        self._profile: Mapping[str, str] | None = None
        self._region = given.region or self._value(_REGION)

    def endpoint(self) -> str | None:
        if self._given.endpoint is not None:
            return self._given.endpoint
        overrides = sorted(name for name in self._variables if name.startswith(_OVERRIDE) and self._value(name))
        if self._region is None:
            if len(overrides) == 1:
                return self._override(overrides[0])
            which = f"one of {', '.join(overrides)}" if overrides else f"{_OVERRIDE}<REGION_ID>"
            self.missing.append(f"the endpoint (looked for endpoint=, region=, {_REGION}, {which})")
            return None
        name = _OVERRIDE + self._region.replace("-", "_").upper()
        return self._override(name) if name in overrides else self._of_region("ges")

    def project_id(self) -> str | None:
        if self._given.project_id is not None:
            return self._given.project_id
        found = next((value for name in _PROJECTS if (value := self._value(name))), None)
        found = found or self._in_file("project_id")
        if found is None:
            places = ", ".join(["project_id=", *_PROJECTS, f"project_id in {self._file_name()}"])
            self.missing.append(f"the project (looked for {places})")
        return found

    def credentials(self) -> Credentials | None:
        if self._given.credentials is not None:
            return self._given.credentials
        known = len(self.missing)
        try:
            found = next(self._candidates(), None)
        except ValueError as error:
            self.missing.append(str(error))
            return None
        if found is None and len(self.missing) == known:
            names = [" and ".join(names[:2]) for names in _KEYS]
            places = ", ".join(
                ["credentials=", *names, _TOKEN, " and ".join(_USER), f"ak and sk in {self._file_name()}"]
            )
            self.missing.append(f"the credentials (looked for {places})")
        return found

    def _candidates(self) -> Iterator[Credentials]:
        """Give the credentials of each place in the order in which the places count; half of them stop it."""
        for names in _KEYS:
            found = self._whole(names[:2])
            if found:
                ak, sk = found
                yield AccessKey(ak, sk, self._value(names[2]))
        token = self._value(_TOKEN)
        if token:
            yield Token(token)
        found = self._whole(_USER)
        if found:
            user, password, domain = found
            yield self._password(user, password, domain)
        key = {name: self._in_file(name) for name in ("ak", "sk", "security_token")}
        found = self._all_or_none({f"{name} in {self._file_name()}": key[name] for name in ("ak", "sk")})
        if found:
            ak, sk = found
            yield AccessKey(ak, sk, key["security_token"])

    def _password(self, user: str, password: str, domain: str) -> PasswordCredentials:
        endpoint = self._value(_IAM)
        if endpoint is None and self._region is None:
            raise ValueError(f"the endpoint of IAM (looked for {_IAM}, region=, {_REGION})")
        region = self._region if endpoint is None else None
        return PasswordCredentials(domain=domain, user=user, password=password, region=region, endpoint=endpoint)

    def _whole(self, names: tuple[str, ...]) -> list[str]:
        return self._all_or_none({name: self._value(name) for name in names})

    def _all_or_none(self, values: Mapping[str, str | None]) -> list[str]:
        """Give all values, or none when neither of the first two is set.

        Raises:
            ValueError: when some are set and some are not.
        """
        found = [value for value in values.values() if value is not None]
        if len(found) < len(values) and all(values[name] is None for name in list(values)[:2]):
            return []  # an account's name alone is no credential
        if len(found) < len(values):
            lacking = [name for name, value in values.items() if value is None]
            there = [name for name, value in values.items() if value is not None]
            raise ValueError(f"{' and '.join(lacking)} (without which {' and '.join(there)} cannot be used)")
        return found

    def _override(self, name: str) -> str | None:
        """Take the first of an override's endpoints, which commas part."""
        return (self._value(name) or "").split(",")[0].strip()

    def _of_region(self, service: str) -> str | None:
        try:
            return of_region(service, self._region or "")
        except ValueError as error:
            self.missing.append(str(error))
            return None

    def _value(self, name: str) -> str | None:
        value = self._variables.get(name, "")
        return value if value.strip() else None

    def _file_name(self) -> str:
        return f"[{_SECTION}] of {self._value(_FILE) or _DEFAULT_FILE}"

    def _in_file(self, name: str) -> str | None:
        if self._profile is None:
            self._profile = self._read_profile(self._value(_FILE) or _DEFAULT_FILE)
        value = self._profile.get(name, "")
        return value if value.strip() else None

    def _read_profile(self, path: str) -> Mapping[str, str]:
        """Read the section of the file; what makes it unreadable is told without its text."""
        try:
            text = self._read(path)
        except (OSError, UnicodeDecodeError) as error:
            self.missing.append(f"the file {path}, which cannot be read ({type(error).__name__})")
            return {}
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(text or "")
        except configparser.Error as error:
            self.missing.append(f"the file {path}, which is no INI file ({type(error).__name__})")
            return {}
        return dict(parser[_SECTION]) if parser.has_section(_SECTION) else {}
