"""A step that runs to its end although its caller is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from asyncload.aio.shielding import Grace, StrayCancellation, run_to_end

TURN = 0.01


class Step:
    """Something that takes a few turns, unless it is cut off."""

    def __init__(self, turns=3, error=None):
        self.began = asyncio.Event()
        self.ended = False
        self.cut_off = self.tidied_up = False
        self._turns = turns
        self._error = error

    async def run(self):
        self.began.set()
        try:
            for _ in range(self._turns):
                await asyncio.sleep(TURN)
        except asyncio.CancelledError:
            self.cut_off = True
            await asyncio.sleep(5 * TURN)
            self.tidied_up = True
            raise
        finally:
            self.ended = True
        if self._error is not None:
            raise self._error
        return "result"


async def finish(step, *, grace=None):
    """A caller that has nothing to undo."""
    return await run_to_end(step, grace=grace)


async def test_an_undisturbed_step_gives_its_result():
    """The caller was not cancelled."""
    assert await finish(Step().run()) == "result"


async def test_an_undisturbed_step_raises_its_error():
    """As it is."""
    with pytest.raises(ValueError, match="no use"):
        await finish(Step(error=ValueError("no use")).run())


async def test_a_step_that_is_cancelled_by_itself_is_a_bug():
    """The caller was not cancelled, and must not end as if it had been."""

    async def give_up():
        raise asyncio.CancelledError

    with pytest.raises(StrayCancellation, match="nothing requested it"):
        await run_to_end(give_up(), grace=None)


@pytest.mark.parametrize("grace", [None, 5.0], ids=["as long as it takes", "with time to spare"])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_caller_waits_for_the_step(grace, times):
    """For any number of cancellations; the cancellation continues afterwards."""
    step = Step()
    caller = asyncio.create_task(finish(step.run(), grace=grace))
    await step.began.wait()
    for _ in range(times):
        caller.cancel()
        await asyncio.sleep(0)
    assert not caller.done()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (step.ended, step.cut_off) == (True, False)


class Undo:
    """Undoes results, and keeps them."""

    def __init__(self):
        self.undone = []

    async def __call__(self, result):
        await asyncio.sleep(0)
        self.undone.append(result)


async def test_a_caller_cancelled_as_it_begins_runs_the_step():
    """The step is begun before anything is waited for; what it came to is undone."""
    step, undo = Step(), Undo()

    async def call():
        asyncio.current_task().cancel()
        await run_to_end(step.run(), grace=None, undo=undo)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(call())
    assert step.ended
    assert undo.undone == ["result"]


async def test_a_caller_cancelled_as_the_step_ends_undoes_its_result():
    """Result and cancellation may come in one turn of the loop; neither is lost."""
    ended, undo = asyncio.get_running_loop().create_future(), Undo()
    caller = asyncio.create_task(run_to_end(ended, grace=None, undo=undo))
    await asyncio.sleep(0)
    ended.set_result("result")
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert undo.undone == ["result"]


async def test_nothing_is_undone_without_a_result_or_a_cancellation():
    """A step that failed or was cut off has none; an undisturbed one keeps it."""
    undo = Undo()
    assert await run_to_end(Step().run(), grace=None, undo=undo) == "result"
    for step in (Step(error=ValueError("no use")), Step(turns=10_000)):
        caller = asyncio.create_task(run_to_end(step.run(), grace=5 * TURN, undo=undo))
        await step.began.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    assert undo.undone == []


async def test_a_time_out_around_a_step_that_ends_in_time_is_a_time_out():
    """The step may end within its grace: its caller's time was over nevertheless."""
    step, undo = Step(), Undo()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(TURN):
            await run_to_end(step.run(), grace=60, undo=undo)
    assert step.ended
    assert undo.undone == ["result"]
    assert not asyncio.current_task().cancelling()


async def test_a_step_that_fails_after_the_cancellation_is_a_cancellation():
    """What failed is the cancellation's cause."""
    error = ValueError("too late")
    step = Step(error=error)
    caller = asyncio.create_task(finish(step.run()))
    await step.began.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await caller
    assert cancelled.value.__cause__ is error


async def test_a_step_that_outlives_its_grace_is_cut_off_and_waited_for():
    """It cleans up before the caller continues, and may take longer for that."""
    step = Step(turns=10_000)
    caller = asyncio.create_task(run_to_end(step.run(), grace=TURN))
    await step.began.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert step.tidied_up


async def test_grace_begins_with_the_cancellation():
    """An undisturbed step may take longer."""
    assert await run_to_end(Step(turns=3).run(), grace=TURN / 10) == "result"


@pytest.mark.fault("C14")
async def test_all_clean_up_at_the_end_of_a_run_shares_one_time():
    """It begins with the first that needs it, and each step gets its least."""
    grace = Grace(0.2, minimum=0.05)
    await asyncio.sleep(0.1)
    assert grace.left() == 0.2
    first = grace.begin()
    await asyncio.sleep(0.05)
    assert grace.begin() < first
    await asyncio.sleep(0.2)
    assert grace.left() == 0.05


async def test_the_time_for_a_runs_end_begins_with_a_cancellation():
    """Of a step that must run to its end; what comes after it has the rest."""
    grace, step = Grace(60), Step()
    caller = asyncio.create_task(run_to_end(step.run(), grace=grace))
    await step.began.wait()
    assert grace.left() == 60
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert step.ended
    assert grace.left() < 60
