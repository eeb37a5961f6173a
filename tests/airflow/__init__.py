"""Tests that need Airflow: `bash tests/airflow/run.sh` runs them in an environment of their own."""
