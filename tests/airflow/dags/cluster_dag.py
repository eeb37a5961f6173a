"""What the cluster runs: 10,000 jobs in four tasks, and small tasks that must end in other ways."""

import os

from airflow.sdk import DAG, task

from gespoll.airflow import GesJobsOperator, batched_jobs

NUMBER = int(os.environ.get("GESPOLL_CLUSTER_JOBS", "10000"))
KNOBS = {"graph": "movies", "interval": 5.0, "max_per_second": 5.0, "timeout": 1800}

with DAG("cluster", schedule=None) as dag:
    batches = task(batched_jobs)([f"job-{number}" for number in range(NUMBER)], size=NUMBER // 4)
    GesJobsOperator.partial(task_id="wait", on_failure="never", **KNOBS).expand(jobs=batches)
    GesJobsOperator(task_id="fails", jobs=["good-0", "lossy"], **KNOBS)
    GesJobsOperator(task_id="workerless", jobs=["good-1", "good-2"], start_from_trigger=True, **KNOBS)
    GesJobsOperator(
        task_id="workerless_fails", jobs='{{ ["good-3", "failed"] | tojson }}', start_from_trigger=True, **KNOBS
    )
    short = KNOBS | {"timeout": 60}
    GesJobsOperator(task_id="times_out", jobs=["good-4", "endless"], **short)
    GesJobsOperator(task_id="workerless_times_out", jobs=["good-5", "endless"], start_from_trigger=True, **short)
