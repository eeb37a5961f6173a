"""What Airflow is told of this distribution: its connection type, operators, sensors and triggers.

Rule: data only, and valid for every Airflow that may load it.
"""

from __future__ import annotations

from typing import Any

_INTEGRATION = "Huawei Cloud Graph Engine Service (GES)"


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to Airflow's discovery, which calls it by the entry point."""
    return {
        "package-name": "gespoll",
        "name": "gespoll",
        "description": "Waits for jobs of Huawei Cloud Graph Engine Service (GES), many in one deferred task.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://support.huaweicloud.com/intl/en-us/ges/",
                "tags": ["service"],
            }
        ],
        "connection-types": [_connection_type()],
        "hooks": _modules("gespoll.airflow._hook"),
        "operators": _modules("gespoll.airflow._operator"),
        "sensors": _modules("gespoll.airflow._sensor"),
        "triggers": _modules("gespoll.airflow._trigger"),
    }


def _modules(module: str) -> list[dict[str, Any]]:
    return [{"integration-name": _INTEGRATION, "python-modules": [module]}]


def _connection_type() -> dict[str, Any]:
    return {
        "connection-type": "huaweicloud",
        "hook-class-name": "gespoll.airflow.GesHook",
        "hook-name": "Huawei Cloud",
        "ui-field-behaviour": {
            "hidden-fields": ["host", "schema", "port"],
            "relabeling": {"login": "Access key id (AK)", "password": "Secret access key (SK)"},
            "placeholders": {"region": "eu-west-101", "endpoint": "https://ges.eu-west-101.myhuaweicloud.eu"},
        },
        "conn-fields": {
            "region": _field("Region", "Id of the region, such as eu-west-101; not needed with an endpoint."),
            "endpoint": _field("Endpoint", "URL of GES, where it is not the region's own."),
            "project_id": _field("Project id", "Id of the project that the graphs are in."),
            "security_token": _field("Security token", "Belongs to a temporary access key.", secret=True),
            "token": _field("Token", "A token of IAM, instead of an access key.", secret=True),
            "allow_http": {
                "label": "Allow plain http",
                "description": "Send credentials in clear text to an endpoint other than loopback.",
                "schema": {"type": ["boolean", "null"], "default": False},
            },
        },
    }


def _field(label: str, description: str, *, secret: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": ["string", "null"]}
    if secret:
        schema["format"] = "password"
    return {"label": label, "description": description, "schema": schema}
