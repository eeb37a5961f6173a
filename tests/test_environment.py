"""What the environment says, in which order, and what is said when it says too little."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gespoll import AccessKey, PasswordCredentials, Token, connect
from gespoll._environment import Found, Given, complete
from gespoll._poller import _read_file

SDK = {"HUAWEICLOUD_SDK_AK": "sdk-ak", "HUAWEICLOUD_SDK_SK": "sdk-sk", "HUAWEICLOUD_SDK_PROJECT_ID": "sdkproject"}
KEYS = {"HW_ACCESS_KEY": "tf-ak", "HW_SECRET_KEY": "tf-sk", "HW_PROJECT_ID": "tfproject"}
USER = {"HW_USER_NAME": "robot", "HW_USER_PASSWORD": "pass word", "HW_DOMAIN_NAME": "corp"}
REGION = {"HW_REGION_NAME": "cn-north-4"}
FILE = "[global]\nak = other\n[basic]\nak = file-ak\nsk = f%le-sk\nproject_id = fileproject\nsecurity_token = file-st\n"
EVERYWHERE = {**SDK, **KEYS, **USER, **REGION, "HW_AUTH_TOKEN": "tf-token"}
NAMES = sorted({*EVERYWHERE, "HW_SECURITY_TOKEN", "HUAWEICLOUD_SDK_SECURITY_TOKEN", "HUAWEICLOUD_SDK_IAM_ENDPOINT"})


def no_file(path: str) -> str | None:
    """Find no file."""
    return None


def found(
    variables: dict[str, str], file: str | None = None, *, region: str | None = None, endpoint: str | None = None
) -> Found:
    """Complete nothing, or a place, by what is there; it must suffice."""
    given = Given(region=region, endpoint=endpoint)
    result, problem = complete(given, variables, lambda path: file)
    assert result is not None, problem
    assert problem == ""
    return result


def missing(variables: dict[str, str], given: Given | None = None, file: str | None = None) -> str:
    """Tell what is said to be missing."""
    result, problem = complete(given or Given(), variables, lambda path: file)
    assert result is None
    return problem.removeprefix("connect() was not given and did not find ")


def key(credentials: object) -> tuple[str, str, str | None]:
    """Tell the parts of an access key."""
    assert isinstance(credentials, AccessKey)
    return credentials._ak, credentials._sk, credentials._security_token


class TestPrecedence:
    """The order in which places count."""

    def test_names_of_the_sdk_come_first(self) -> None:
        """Before those of Terraform, and before the file."""
        result = found(EVERYWHERE, FILE)
        assert key(result.credentials) == ("sdk-ak", "sdk-sk", None)
        assert result.project_id == "sdkproject"

    def test_then_the_access_key_of_terraform(self) -> None:
        """With its own project."""
        result = found({name: value for name, value in EVERYWHERE.items() if name not in SDK}, FILE)
        assert key(result.credentials) == ("tf-ak", "tf-sk", None)
        assert result.project_id == "tfproject"

    def test_then_its_token(self) -> None:
        """It needs nothing beside it."""
        result = found({**REGION, **USER, "HW_AUTH_TOKEN": "tf-token"}, FILE)
        assert isinstance(result.credentials, Token)
        assert result.credentials._fixed == "tf-token"

    def test_then_its_user(self) -> None:
        """IAM is that of the region."""
        result = found({**REGION, **USER}, FILE)
        assert repr(result.credentials) == (
            "PasswordCredentials(of 'robot' at https://iam.cn-north-4.myhuaweicloud.com)"
        )
        assert isinstance(result.credentials, PasswordCredentials)
        assert result.project_id == "fileproject"

    def test_then_the_file(self) -> None:
        """Its section [basic], as it stands there: a percent sign is a percent sign."""
        result = found(REGION, FILE)
        assert key(result.credentials) == ("file-ak", "f%le-sk", "file-st")
        assert result.project_id == "fileproject"

    @pytest.mark.parametrize("prefix", ["HUAWEICLOUD_SDK", "HW"])
    def test_the_security_token_goes_with_its_key(self, prefix: str) -> None:
        """That of another place is not taken."""
        variables = {**(SDK if prefix != "HW" else KEYS), **REGION, f"{prefix}_SECURITY_TOKEN": "st"}
        assert key(found(variables, FILE).credentials)[2] == "st"
        other = "HW" if prefix != "HW" else "HUAWEICLOUD_SDK"
        variables = {**(SDK if prefix != "HW" else KEYS), **REGION, f"{other}_SECURITY_TOKEN": "st"}
        assert key(found(variables, FILE).credentials)[2] is None

    def test_what_is_given_wins(self) -> None:
        """Nothing is looked for that was given."""
        token = Token("mine")
        given = Given(endpoint="https://mine", project_id="mine", credentials=token)

        def read(path: str) -> str:
            raise AssertionError("nothing is missing")

        assert complete(given, EVERYWHERE, read) == (
            Found(endpoint="https://mine", project_id="mine", credentials=token),
            "",
        )

    def test_the_file_is_read_only_when_it_is_needed(self) -> None:
        """And once."""
        paths: list[str] = []

        def read(path: str) -> str:
            paths.append(path)
            return FILE

        complete(Given(), EVERYWHERE, read)
        assert paths == []
        complete(Given(), REGION, read)
        assert paths == ["~/.huaweicloud/credentials"]
        complete(Given(), {**REGION, "HUAWEICLOUD_SDK_CREDENTIALS_FILE": "/etc/keys"}, read)
        assert paths[1:] == ["/etc/keys"]

    def test_blank_variables_are_not_set(self) -> None:
        """An empty one hides nothing."""
        result = found({**KEYS, **REGION, **dict.fromkeys(SDK, " ")})
        assert key(result.credentials)[0] == "tf-ak"

    @pytest.mark.parametrize("name", ["HW_DOMAIN_NAME", "HW_SECURITY_TOKEN"])
    def test_a_name_that_proves_nothing_stops_no_search(self, name: str) -> None:
        """The account's name and a lone security token are often set for others."""
        assert key(found({**REGION, name: "x"}, FILE).credentials)[0] == "file-ak"


class TestEndpoint:
    """Where the service is."""

    @pytest.mark.parametrize(
        ("region", "endpoint"),
        [
            ("cn-north-4", "https://ges.cn-north-4.myhuaweicloud.com"),
            ("ap-southeast-3", "https://ges.ap-southeast-3.myhuaweicloud.com"),
            ("eu-west-101", "https://ges.eu-west-101.myhuaweicloud.eu"),
        ],
    )
    def test_a_region_has_one(self, region: str, endpoint: str) -> None:
        """All regions but one are under .com."""
        assert found({**SDK, "HW_REGION_NAME": region}).endpoint == endpoint
        assert found(SDK, region=region).endpoint == endpoint

    def test_a_given_region_wins(self) -> None:
        """Over that of the environment."""
        assert found({**SDK, **REGION}, region="eu-west-101").endpoint.endswith(".eu")

    def test_an_override_of_the_region_wins(self) -> None:
        """The SDK's name for it; the first of several, which commas part."""
        override = {"HUAWEICLOUD_SDK_REGION_GES_CN_NORTH_4": "https://a.example, https://b.example"}
        assert found({**SDK, **REGION, **override}).endpoint == "https://a.example"
        assert found({**SDK, **REGION, **override}, region="eu-west-101").endpoint.endswith(".eu")

    def test_the_only_override_needs_no_region(self) -> None:
        """The SDK has no variable that names the region."""
        override = {"HUAWEICLOUD_SDK_REGION_GES_CN_NORTH_4": "https://a.example"}
        assert found({**SDK, **override}).endpoint == "https://a.example"

    def test_several_overrides_need_one(self) -> None:
        """Which is meant cannot be told."""
        names = ["HUAWEICLOUD_SDK_REGION_GES_A_1", "HUAWEICLOUD_SDK_REGION_GES_B_1"]
        assert missing({**SDK, **dict.fromkeys(names, "https://a")}) == (
            f"the endpoint (looked for endpoint=, region=, HW_REGION_NAME, one of {', '.join(names)})"
        )

    @pytest.mark.parametrize("region", ["CN-North-4", "cn north 4", "x", "a.b-c", "https://ges.cn-north-4"])
    def test_a_region_that_is_none(self, region: str) -> None:
        """It becomes no host name."""
        assert missing(SDK, Given(region=region)) == (
            f"region {region!r} must be the id of a region, such as cn-north-4"
        )

    def test_iam_may_be_elsewhere(self) -> None:
        """Where it is told, a user needs no region."""
        variables = {**USER, "HW_PROJECT_ID": "p", "HUAWEICLOUD_SDK_IAM_ENDPOINT": "https://iam.example"}
        assert "https://iam.example" in repr(found(variables, endpoint="https://ges.example").credentials)


class TestMissing:
    """One sentence lists everything."""

    def test_everything(self) -> None:
        """Each with all places."""
        assert missing({}) == (
            "the endpoint (looked for endpoint=, region=, HW_REGION_NAME, HUAWEICLOUD_SDK_REGION_GES_<REGION_ID>); "
            "the project (looked for project_id=, HUAWEICLOUD_SDK_PROJECT_ID, HW_PROJECT_ID, project_id in [basic] of "
            "~/.huaweicloud/credentials); "
            "the credentials (looked for credentials=, HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, HW_ACCESS_KEY and "
            "HW_SECRET_KEY, HW_AUTH_TOKEN, HW_USER_NAME and HW_USER_PASSWORD and HW_DOMAIN_NAME, ak and sk in [basic] "
            "of ~/.huaweicloud/credentials)"
        )

    def test_only_what_is_missing(self) -> None:
        """What was found is not listed."""
        without_project = {name: value for name, value in SDK.items() if "PROJECT" not in name}
        assert missing({**without_project, **REGION}) == (
            "the project (looked for project_id=, HUAWEICLOUD_SDK_PROJECT_ID, HW_PROJECT_ID, project_id in [basic] of "
            "~/.huaweicloud/credentials)"
        )

    @pytest.mark.parametrize(
        ("variables", "text"),
        [
            (
                {"HUAWEICLOUD_SDK_AK": "a"},
                "HUAWEICLOUD_SDK_SK (without which HUAWEICLOUD_SDK_AK cannot be used)",
            ),
            ({"HW_SECRET_KEY": "s"}, "HW_ACCESS_KEY (without which HW_SECRET_KEY cannot be used)"),
            (
                {"HW_USER_NAME": "u", "HW_USER_PASSWORD": "secret"},
                "HW_DOMAIN_NAME (without which HW_USER_NAME and HW_USER_PASSWORD cannot be used)",
            ),
            (
                {"HW_USER_PASSWORD": "secret"},
                "HW_USER_NAME and HW_DOMAIN_NAME (without which HW_USER_PASSWORD cannot be used)",
            ),
        ],
    )
    def test_half_of_a_place_is_not_passed_over(self, variables: dict[str, str], text: str) -> None:
        """Else another identity would serve than the one that was meant."""
        assert missing({**REGION, **variables}, file=FILE) == text

    def test_half_a_file(self) -> None:
        """It names the file."""
        assert missing({**REGION, "HW_PROJECT_ID": "p"}, file="[basic]\nak=a\n") == (
            "sk in [basic] of ~/.huaweicloud/credentials (without which ak in [basic] of ~/.huaweicloud/credentials "
            "cannot be used)"
        )

    def test_user_without_iam(self) -> None:
        """An endpoint of the service is none of IAM."""
        given = Given(endpoint="https://ges.example", project_id="p")
        assert missing(USER, given) == (
            "the endpoint of IAM (looked for HUAWEICLOUD_SDK_IAM_ENDPOINT, region=, HW_REGION_NAME)"
        )

    def test_unusable_secret(self) -> None:
        """It is not shown."""
        text = missing({**SDK, **REGION, "HUAWEICLOUD_SDK_SK": "secret\n"})
        assert text == "the secret key (sk) is empty or holds characters that cannot stand in a header"

    def test_unreadable_file(self) -> None:
        """The error names the file and not what stands in it."""

        def read(path: str) -> str:
            raise PermissionError(13, "secret")

        result, problem = complete(Given(), REGION, read)
        assert result is None
        assert "the file ~/.huaweicloud/credentials, which cannot be read (PermissionError)" in problem
        assert "secret" not in problem

    def test_file_that_is_no_ini(self) -> None:
        """Its lines may be secrets."""
        problem = missing(REGION, file="my-secret-key\n")
        assert "the file ~/.huaweicloud/credentials, which is no INI file (MissingSectionHeaderError)" in problem
        assert "my-secret" not in problem


class TestConnect:
    """`connect` looks there."""

    @pytest.fixture(autouse=True)
    def _bare(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))

    def test_without_arguments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Everything comes from the variables."""
        for name, value in {**SDK, **REGION}.items():
            monkeypatch.setenv(name, value)
        assert repr(connect()) == (
            "<poller of ManagementSource of project sdkproject at https://ges.cn-north-4.myhuaweicloud.com, not open>"
        )

    def test_engines_need_no_endpoint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only project and credentials are looked for; their source is that of their graphs."""
        for name, value in SDK.items():
            monkeypatch.setenv(name, value)
        poller = connect(engines={"movies": "https://10.0.0.5"})
        assert repr(poller.source) == "EngineSource of project sdkproject for 1 graphs"
        with pytest.raises(ValueError, match=r"^endpoint= is of the management plane and engines= of the graphs'"):
            connect("https://x", engines={"movies": "https://10.0.0.5"})

    def test_from_the_file(self, tmp_path: Path) -> None:
        """In the home directory."""
        (tmp_path / ".huaweicloud").mkdir()
        (tmp_path / ".huaweicloud" / "credentials").write_text(FILE)
        assert "fileproject" in repr(connect(region="eu-west-101"))

    def test_a_file_that_is_none_is_not_there(self, tmp_path: Path) -> None:
        """Nor is one below a file."""
        (tmp_path / "file").write_text("x")
        assert _read_file(str(tmp_path / "none")) is None
        assert _read_file(str(tmp_path / "file" / "none")) is None
        assert _read_file(str(tmp_path / "file")) == "x"

    def test_what_is_missing_is_a_value_error(self) -> None:
        """With the whole list."""
        with pytest.raises(ValueError, match=re.escape("connect() was not given and did not find the endpoint (")):
            connect()

    def test_plain_http_of_the_environment_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if it had been given."""
        for name, value in {**SDK, "HUAWEICLOUD_SDK_REGION_GES_X_1": "http://ges.example"}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ValueError, match="would send credentials in clear text"):
            connect()
