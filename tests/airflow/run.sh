#!/usr/bin/env bash
# Tests gespoll.airflow on a real Airflow, in a fresh environment: `bash tests/airflow/run.sh`.
# `bash tests/airflow/run.sh cluster` starts all of Airflow on PostgreSQL instead, with two triggerers, and kills one.
# It needs bash, python3 and pip; the cluster needs PostgreSQL's server programs, too, as Debian installs them.
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export AIRFLOW_HOME="$work/airflow"
export AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW__CORE__DAGS_FOLDER="$checkout/tests/recipes"

cd "$checkout"
if [ -n "${GESPOLL_AIRFLOW_PYTHON:-}" ]; then # an environment that is there already
    python=$GESPOLL_AIRFLOW_PYTHON
else
    python3 -m venv "$work/venv"
    python=$work/venv/bin/python
    drivers=()
    if [ "${1:-}" = cluster ]; then
        drivers=(psycopg2-binary asyncpg)
    fi
    "$python" -m pip install --quiet --editable ".[airflow]" pytest pytest-xdist hypothesis mypy "${drivers[@]}"
fi
PATH="$(dirname "$python"):$PATH"
export PATH

if [ "${1:-}" = cluster ]; then
    python -m tests.airflow.cluster "$work" "${@:2}"
else
    mypy gespoll/airflow tests/airflow tests/recipes
    airflow db migrate >"$work/migrate.log" 2>&1 || { cat "$work/migrate.log"; exit 1; }
    python -m pytest -q -n 2 tests/airflow
fi
