"""What locks when it is wrong is tried by few at a time, whoever they are and wherever they run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.lowlevel
import pytest

from gespoll import AccessKey, Credentials, ServiceUnavailable, Token
from gespoll._credentials import Trial, trial_of
from gespoll._credentials.turns import Turns

pytestmark = pytest.mark.anyio


class Gauge:
    """Counts how many are inside at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def stay(self, turns: Turns, seconds: float = 1.0) -> None:
        """Take a turn for some time."""
        async with turns.one():
            self.now += 1
            self.most = max(self.most, self.now)
            await anyio.sleep(seconds)
            self.now -= 1


class Locking(Credentials):
    """Credentials of somebody's own that lock."""

    locks = True

    async def authorize(self, method: str, url: str, /) -> Mapping[str, str]:
        """Give nothing."""
        return {}

    async def renew(self, rejected: Mapping[str, str], /) -> bool:
        """Give up."""
        return False


@pytest.mark.parametrize("at_once", [1, 2, 5])
async def test_so_many_are_in_at_a_time(at_once: int) -> None:
    """And all come in."""
    turns, gauge = Turns(at_once), Gauge()
    await asyncio.gather(*(gauge.stay(turns) for _ in range(20)))
    assert gauge.most == at_once
    assert anyio.current_time() == pytest.approx(20 / at_once)


async def test_who_is_cancelled_takes_no_turn_along() -> None:
    """Neither while it waits, nor just when it is let in."""
    turns, gauge = Turns(1), Gauge()
    for cut in (0.5, 1.0, 1.5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gauge.stay, turns)
            await anyio.lowlevel.checkpoint()
            with anyio.move_on_after(cut):
                await gauge.stay(turns)
        gauge.now = 0
    with anyio.fail_after(1.5):
        await gauge.stay(turns)


def test_event_loops_of_threads_share_them() -> None:
    """As pollers in several threads do that use the same credentials."""
    turns, gauge = Turns(2), Gauge()

    def run() -> None:
        async def several() -> None:
            await asyncio.gather(*(gauge.stay(turns, 0.002) for _ in range(20)))

        asyncio.run(several())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run(), range(4)))
    assert (gauge.now, gauge.most <= 2) == (0, True)


def test_an_event_loop_that_has_ended_holds_nobody_up() -> None:
    """Whoever waited there waits no more."""
    turns, gauge = Turns(1), Gauge()
    holder = asyncio.new_event_loop()
    holder.run_until_complete(turns._enter())
    waiting = asyncio.new_event_loop()
    waiter = waiting.create_task(turns._enter())
    waiting.run_until_complete(asyncio.sleep(0))
    waiter.cancel()
    waiting.run_until_complete(asyncio.gather(waiter, return_exceptions=True))
    waiting.close()
    turns._leave()
    holder.close()
    asyncio.run(gauge.stay(turns, 0.0))
    assert gauge.most == 1


async def test_once_it_was_accepted_all_go_at_once() -> None:
    """Those who wait, too; until there is another secret."""
    trial, inside = Trial(), 0

    async def ask() -> None:
        nonlocal inside
        async with trial.turn():
            inside += 1
            await anyio.sleep(10)

    async with anyio.create_task_group() as tasks:
        for expected, change in ((2, trial.accepted), (10, trial.begin_anew)):
            for _ in range(5):
                tasks.start_soon(ask)
            await anyio.sleep(1)
            assert inside == expected
            change()
            await anyio.sleep(1)
        assert inside == 10
        tasks.cancel_scope.cancel()
    inside = 0
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.sleep(1)
        assert inside == 2
        tasks.cancel_scope.cancel()


async def test_all_pollers_of_one_object_share_its_trial() -> None:
    """Of whatever kind it is; what does not lock has none."""
    for credentials in (AccessKey("ak", "sk"), Locking()):
        assert trial_of(credentials) is trial_of(credentials) is not None
    assert trial_of(AccessKey("ak", "sk")) is not trial_of(AccessKey("ak", "sk"))
    assert trial_of(Token("t")) is None


async def test_what_is_not_answered_is_tried_ever_more_rarely() -> None:
    """It may have been refused all the same: four times in a minute, of which five would lock a key."""
    trial, sent = Trial(), 0

    async def ask() -> None:
        nonlocal sent
        with anyio.move_on_after(1):
            async with trial.turn():
                sent += 1
                with trial.sending():
                    await anyio.sleep_forever()

    for _ in range(590):
        with contextlib.suppress(ServiceUnavailable):
            await ask()
        await anyio.sleep(0.1)
        if anyio.current_time() <= 60:
            in_a_minute = sent
    assert in_a_minute == 4
    assert sent <= 8
    trial.begin_anew()
    await ask()
    await ask()
    with pytest.raises(ServiceUnavailable, match=r"^the credentials are tried again in "):
        await ask()
    trial.accepted()
    async with trial.turn():
        pass
