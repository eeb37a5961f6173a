"""All of Airflow on PostgreSQL, with two triggerers, waits for 10,000 jobs; the owner of some is killed.

Rule: what Airflow's database says at the end is compared, job by job, with what the fake service was told
beforehand. Run by `bash tests/airflow/run.sh cluster`; exits with 1 and the logs when anything differs.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import psycopg2

from gespoll.airflow import batched_jobs
from gespoll.testing import FakeFile, FakeGES, FakeJob
from tests.airflow.processes import Processes, database, free_port, listening

NUMBER = 10_000
EARLIEST, LATEST = 60.0, 150.0
KILL_AFTER = 30.0
DAGS = Path(__file__).parent / "dags"
TRIGGERERS = ("triggerer-1", "triggerer-2")
LOADED = FakeFile("edgeset", "edges.csv", total_lines=90, failed_lines=0)
LOSSY = FakeFile("edgeset", "edges.csv", status="partFailed", cause="row 7", total_lines=90, failed_lines=3)
ENDS: dict[str, tuple[str, list[FakeFile]]] = {
    "success": ("success", [LOADED]),
    "partially_failed": ("success", [LOADED, LOSSY]),
    "failed": ("failed", []),
    "cancelled": ("cancelled", []),
}
EXPECTED = {
    "batched_jobs": "success",
    "fails": "failed",
    "workerless": "success",
    "workerless_fails": "failed",
    "times_out": "failed",
    "workerless_times_out": "failed",
}


def made(job_id: str, end: str, at: float) -> FakeJob:
    """Make a job that ends in this way after so many seconds."""
    word, files = ENDS[end]
    return FakeJob(job_id, graph="movies", steps=[(0, "running"), (at, word)], files=files)  # type: ignore[arg-type]


class Cluster:
    """A cluster, its database and the fake service behind it."""

    def __init__(self, processes: Processes, ges: FakeGES, url: str) -> None:
        self.processes = processes
        self.ges = ges
        self._database = psycopg2.connect(f"postgresql://{url}")
        self._database.autocommit = True
        self.owners: dict[str, int] = {}
        self.memory: Counter[str] = Counter()

    def ask(self, query: str, *values: Any) -> list[Any]:
        """Ask Airflow's database."""
        with self._database.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())

    def close(self) -> None:
        """Leave the database."""
        self._database.close()

    async def until(self, done: Callable[[], Any], seconds: float) -> float:
        """Wait until something is so; give the seconds that it took."""
        start = anyio.current_time()
        with anyio.fail_after(seconds):
            while not done():
                self.processes.check()
                for name in TRIGGERERS:
                    self.memory[name] = max(self.memory[name], round(self.processes.memory(name)))
                await anyio.sleep(0.5)
        return anyio.current_time() - start

    async def start(self, port: int) -> None:
        """Start all parts of Airflow; the triggerers one after the other, to learn which is which."""
        start = self.processes.start
        await start("api-server", "airflow", "api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
        await start("dag-processor", "airflow", "dag-processor")
        await listening(port, self.processes)
        await start("scheduler", "airflow", "scheduler")
        for name in TRIGGERERS:
            await start(name, "airflow", "triggerer", *(["--skip-serve-logs"] if self.owners else []))
            await self.until(self.newcomers, 120)
            [self.owners[name]] = self.newcomers()
        await self.until(lambda: self.ask("select 1 from serialized_dag where dag_id = 'cluster'"), 120)

    def newcomers(self) -> list[int]:
        """List the ids under which triggerers run that are not known yet."""
        found = self.ask("select id from job where job_type = 'TriggererJob'")
        return [number for (number,) in found if number not in self.owners.values()]

    def owned(self, name: str) -> int:
        """Count the triggers that a triggerer has, of the big tasks."""
        query = (
            "select count(*) from trigger join task_instance ti on ti.trigger_id = trigger.id "
            "where ti.task_id = 'wait' and trigger.triggerer_id = %s"
        )
        number: int = self.ask(query, self.owners[name])[0][0]
        return number


async def run(cluster: Cluster) -> dict[str, Any]:
    """Let the cluster wait, kill the owner of some triggers, and give the figures."""
    idle = {name: round(cluster.processes.memory(name)) for name in TRIGGERERS}
    truth = add_jobs(cluster.ges)
    begun = anyio.current_time()
    await cluster.processes.start("trigger", "airflow", "dags", "trigger", "cluster")
    await cluster.processes.finish("trigger")
    await cluster.until(lambda: sum(map(cluster.owned, TRIGGERERS)) == 4, 120)
    deferred = anyio.current_time() - begun
    await anyio.sleep(KILL_AFTER)
    shares = {name: cluster.owned(name) for name in TRIGGERERS}
    victim, heir = sorted(TRIGGERERS, key=cluster.owned, reverse=True)
    await cluster.processes.kill(victim)
    takeover = await cluster.until(lambda: cluster.owned(heir) == 4, 120)
    seen = len(cluster.ges.requests)
    state = "select state from dag_run where dag_id = 'cluster' and state in ('success', 'failed')"
    await cluster.until(lambda: cluster.ask(state), 600)
    figures = {
        "jobs": NUMBER,
        "seconds until 4 triggers waited": round(deferred, 1),
        "triggers each triggerer had": shares,
        "seconds from kill -9 to takeover": round(takeover, 1),
        "seconds in all": round(anyio.current_time() - begun, 1),
        "requests": len(cluster.ges.requests),
        "requests before the takeover": seen,
        "memory of the triggerers before, MB": idle,
        "peak memory of the triggerers, MB": dict(cluster.memory),
        "loop was held, as the triggerers say": blocked(cluster.processes),
    }
    return figures | compare(cluster, truth)


def add_jobs(ges: FakeGES) -> dict[str, str]:
    """Give the service its jobs, 4 % of which do not end well; tell how each will end."""
    rng = random.Random(7)
    ends = rng.choices(list(ENDS), weights=[96, 2, 1, 1], k=NUMBER)
    truth = {f"job-{number}": end for number, end in enumerate(ends)}
    ges.add_jobs(made(job_id, end, rng.uniform(EARLIEST, LATEST)) for job_id, end in truth.items())
    ges.add_jobs(made(f"good-{number}", "success", 30.0) for number in range(6))
    ges.add_jobs([made("lossy", "partially_failed", 30.0), made("failed", "failed", 30.0)])
    ges.add_job("endless", graph="movies", steps=[(0, "running")])
    return truth


def compare(cluster: Cluster, truth: dict[str, str]) -> dict[str, Any]:
    """Compare the ends of tasks and jobs with what was to be.

    Raises:
        AssertionError: when they differ.
    """
    states = cluster.ask("select task_id, map_index, state, try_number from task_instance where dag_id = 'cluster'")
    found = {(task, index): state for task, index, state, _ in states}
    expected = {(task, -1): state for task, state in EXPECTED.items()}
    expected |= {("wait", index): "success" for index in range(4)}
    assert found == expected, found
    tries = {task: attempt for task, _, state, attempt in states if state == "failed"}
    assert set(tries.values()) == {1}, f"what failed for good was tried again: {tries}"
    reports = dict(results(cluster, "wait"))
    for index, batch in enumerate(batched_jobs(list(truth), size=NUMBER // 4)):
        assert reports[index]["counts"] == dict(Counter(truth[job_id] for job_id in batch[""])), reports[index]
    [(_, workerless)] = results(cluster, "workerless")
    assert workerless["counts"] == {"success": 2}, workerless
    assert {request.method for request in cluster.ges.requests} == {"GET"}
    ended = Counter[str]()
    for report in reports.values():
        ended.update(report["counts"])
    most = max(attempt for _, _, _, attempt in states)
    return {"jobs ended, as told and as it was": dict(ended), "most tries of a task": most}


def results(cluster: Cluster, task: str) -> list[tuple[int, Any]]:
    """Read the results of a task's instances."""
    query = "select map_index, value from xcom where dag_id = 'cluster' and task_id = %s and key = 'return_value'"
    return [
        (index, json.loads(value) if isinstance(value, str) else value) for index, value in cluster.ask(query, task)
    ]


def blocked(processes: Processes) -> list[str]:
    """Gather what the triggerers say of their loops being held."""
    lines = [line for name in TRIGGERERS for line in processes.log(name).read_text().splitlines()]
    return [line.partition("was ")[2][:25] for line in lines if "async thread was blocked" in line]


def environment(work: Path, port: int, ges: FakeGES) -> dict[str, str]:
    """Make the environment of all processes."""
    extra = {"endpoint": ges.endpoint, "project_id": ges.project_id, "token": ges.token}
    secret = random.SystemRandom().randbytes(32).hex()
    return {
        **os.environ,
        "AIRFLOW_HOME": str(work / "airflow"),
        "AIRFLOW_CONN_HUAWEICLOUD_DEFAULT": json.dumps({"conn_type": "huaweicloud", "extra": extra}),
        "AIRFLOW__API_AUTH__JWT_SECRET": secret,
        "AIRFLOW__API__SECRET_KEY": secret,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": "1",  # or the first that looks takes all
        "GESPOLL_CLUSTER_JOBS": str(NUMBER),
    }


async def main(work: Path) -> None:
    """Start everything, run, print the figures, end everything."""
    port, begun = free_port(), anyio.current_time()
    async with FakeGES() as ges:
        processes = Processes(work, environment(work, port, ges))
        try:
            async with database(processes) as url:
                processes.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"postgresql+psycopg2://{url}"
                await processes.start("migrate", "airflow", "db", "migrate")
                await processes.finish("migrate")
                with closing(Cluster(processes, ges, url)) as cluster:
                    await cluster.start(port)
                    print(f"started after {anyio.current_time() - begun:.0f} s", flush=True)
                    for name, figure in (await run(cluster)).items():
                        print(f"{name}: {figure}", flush=True)
        except BaseException:
            for name in ("scheduler", *TRIGGERERS):
                if processes.log(name).exists():
                    print(f"--- {name}\n{processes.tail(name)}", file=sys.stderr)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await processes.end()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
