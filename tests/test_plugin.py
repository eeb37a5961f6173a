"""The pytest plugin, in small suites as its users write them, with warnings as errors."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

OPT_IN = 'pytest_plugins = ["gespoll.testing.plugin"]\n'


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Give a suite that has opted in."""
    pytester.makeconftest(OPT_IN)
    return pytester


def run(suite: pytest.Pytester, code: str) -> pytest.RunResult:
    """Run a test module."""
    suite.makepyfile(code)
    return suite.runpytest_inprocess("-W", "error", "--strict-markers")


def test_hours_pass_at_once(suite: pytest.Pytester) -> None:
    """A job that ends after three hours is waited for, on a clock of its own for each test."""
    done = run(
        suite,
        """
        import anyio
        import pytest

        @pytest.mark.anyio
        @pytest.mark.parametrize("time", [1, 2])
        async def test_it(fake_ges, ges_poller, time):
            assert anyio.current_time() < 1.0
            fake_ges.add_job("long", graph="movies", steps=[(0.0, "running"), (10800.0, "success")])
            assert (await ges_poller.wait("long", graph="movies")).status.value == "success"
            assert anyio.current_time() == pytest.approx(10800.0, abs=60.0)
        """,
    )
    done.assert_outcomes(passed=2)


def test_options_are_overridden_like_any_fixture(suite: pytest.Pytester) -> None:
    """In a module, in a class, and with the running fake at hand."""
    done = run(
        suite,
        """
        import pytest
        import gespoll
        from gespoll.testing import FakeJob

        @pytest.fixture
        def fake_ges_options():
            return {"project_id": "mine", "imports": lambda number: FakeJob(f"own-{number}")}

        @pytest.fixture
        def ges_poller_options():
            return {"interval": 0.5, "api": "v1.0"}

        @pytest.mark.anyio
        async def test_of_the_module(fake_ges, ges_poller):
            fake_ges.add_job("one", graph="movies")
            await ges_poller.wait("one", graph="movies")
            assert {request.path.split("/")[1:3] == ["v1.0", "mine"] for request in fake_ges.requests} == {True}

        class TestRejected:
            @pytest.fixture
            def ges_poller_options(self, fake_ges):
                return {"credentials": gespoll.Token("not " + fake_ges.token)}

            @pytest.mark.anyio
            async def test_of_the_class(self, fake_ges, ges_poller):
                fake_ges.add_job("one", graph="movies")
                with pytest.raises(gespoll.AuthenticationError):
                    await ges_poller.wait("one", graph="movies")
        """,
    )
    done.assert_outcomes(passed=2)


def test_runs_repeat(suite: pytest.Pytester) -> None:
    """The same test sends the same requests at the same times and sees the same changes, jitter included."""
    done = run(
        suite,
        """
        import pytest
        from gespoll import JobRef
        from gespoll.testing import Faults

        runs = []

        @pytest.fixture
        def fake_ges_options():
            return {"faults": Faults({"throttle": 0.5, "drop": 0.2})}

        @pytest.mark.anyio
        @pytest.mark.parametrize("run", range(3))
        async def test_it(fake_ges, ges_poller, run):
            refs = [JobRef(fake_ges.add_job(f"job-{number}").job_id) for number in range(20)]
            async with ges_poller.watch(refs) as changes:
                seen = [(change.ref, change.status, change.lag, change.observed_at) async for change in changes]
            runs.append((fake_ges.arrivals(), seen))
            assert len(fake_ges.fault_counts) == 2
            assert runs[0] == runs[-1]
        """,
    )
    done.assert_outcomes(passed=3)


def test_a_poller_that_is_not_asked_for_by_an_async_test_is_closed_too(suite: pytest.Pytester) -> None:
    """A plain test may look at it; an async fixture of a wider scope shares its loop."""
    done = run(
        suite,
        """
        import anyio
        import pytest

        @pytest.fixture(scope="module")
        async def an_hour(anyio_backend):
            await anyio.sleep(3600.0)
            yield anyio.current_time()

        def test_plain(ges_poller):
            assert "open" in repr(ges_poller)

        @pytest.mark.anyio
        async def test_async(an_hour, ges_poller):
            assert an_hour == pytest.approx(3600.0)
            assert anyio.current_time() >= an_hour
        """,
    )
    done.assert_outcomes(passed=2)


def test_a_failing_test_fails_alone(suite: pytest.Pytester) -> None:
    """An error, a deadlock and a wait left open are told at once; tests after them run on."""
    done = run(
        suite,
        """
        import anyio
        import pytest

        pytestmark = pytest.mark.anyio

        async def test_error(fake_ges, ges_poller):
            fake_ges.add_job("bad", graph="movies", steps=[(0.0, "failed")])
            await ges_poller.wait("bad", graph="movies")

        async def test_deadlock(ges_poller):
            await anyio.Event().wait()

        async def test_good(fake_ges, ges_poller):
            fake_ges.add_job("good", graph="movies")
            await ges_poller.wait("good", graph="movies")
        """,
    )
    # What hangs in the test hangs in the tear-down, too, and is told there once more.
    done.assert_outcomes(passed=1, failed=2, errors=1)
    done.stdout.fnmatch_lines(["E *ImportFailed: *", "E *VirtualDeadlockError: Deadlock at *"])


def test_a_module_may_ask_for_the_real_clock(suite: pytest.Pytester) -> None:
    """By overriding the fixture that anyio knows."""
    done = run(
        suite,
        """
        import asyncio
        import pytest
        from gespoll.testing import VirtualTimeLoop

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_it(fake_ges):
            assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
        """,
    )
    done.assert_outcomes(passed=1)


def test_a_suite_that_does_not_ask_gets_nothing(pytester: pytest.Pytester) -> None:
    """No fixture, and nothing of gespoll or aiohttp is imported."""
    pytester.makepyfile(
        """
        import sys

        def test_no_import():
            assert [name for name in sys.modules if name.partition(".")[0] in {"gespoll", "aiohttp"}] == []

        def test_no_fixture(fake_ges):
            pass
        """
    )
    done = pytester.runpytest_subprocess("-W", "error")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["E *fixture 'fake_ges' not found"])


def test_testing_support_works_without_pytest() -> None:
    """Only the plugin itself imports pytest."""
    code = "import sys, gespoll.testing; print('pytest' in sys.modules, 'gespoll.testing.plugin' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
