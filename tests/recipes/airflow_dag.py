"""Airflow waits for any number of GES jobs: 2,500 in a deferred task, which takes no worker while it waits."""

from airflow.sdk import dag, task

from gespoll.airflow import GesJobsOperator, batched_jobs


@dag(schedule=None, params={"graph": "movies", "jobs": []})
def ges_imports():
    @task
    def batches(params):  # or submit the imports here, and return the batches of the job ids that were answered
        return batched_jobs(params["jobs"], size=2500)

    GesJobsOperator.partial(
        task_id="wait",
        graph="{{ params.graph }}",  # the graph's id
        timeout=4 * 3600,  # seconds, for all jobs of a task
        max_per_second=5,  # requests of each task
    ).expand(jobs=batches())


ges_imports()
