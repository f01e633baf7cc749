"""Tasks that get another trigger, come and go, before and while the app serves."""

import asyncio
import gc
import weakref

import pytest

from aioclock import (
    AioClock,
    At,
    Every,
    Forever,
    Group,
    Jitter,
    Once,
    OnShutDown,
    OnStartUp,
    OrTrigger,
)
from aioclock.events import Event, RunFailed, TaskPaused, TaskRemoved
from aioclock.exceptions import (
    RunSkippedError,
    ServingError,
    TaskDeclarationError,
    TaskIdNotFound,
)
from aioclock.triggers import BaseTrigger
from timelines import due, letters, offset, period, simulated, sleeping

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


def report() -> str:
    return "plain"


# Another trigger


def test_a_new_schedule_begins_now_and_the_old_one_is_forgotten() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(sleeping(0))
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=13)
        app.reschedule("work", Every(seconds=4))
        sim.advance(seconds=10)
        assert due(sim.runs("work")) == [10, 17, 21]
    with simulated(app) as sim:
        sim.advance(seconds=9)
        assert due(sim.runs("work")) == [4, 8]


def test_the_only_task_can_be_given_another_trigger_while_nothing_runs() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=13)
        app.reschedule("work", Every(seconds=4))
        sim.advance(seconds=10)
        assert due(sim.runs("work")) == [10, 17, 21]


def test_a_task_may_give_itself_another_trigger() -> None:
    app, periods = AioClock(), iter([3, 5, 7])

    @app.task(trigger=Every(seconds=10), name="work")
    async def work() -> None:
        app.reschedule("work", Every(seconds=next(periods), max_loop_count=1))

    with simulated(app) as sim:
        sim.advance(seconds=18)
        assert due(sim.runs("work")) == [10, 13, 18]


def test_quotas_are_fresh_after_rescheduling() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=1, max_loop_count=2), name="work")(sleeping(0))
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=5)
        app.reschedule("work", app.tasks["work"].trigger)
        sim.advance(seconds=5)
        assert due(sim.runs("work")) == [1, 2, 6, 7]


def test_a_run_goes_on_when_its_task_is_rescheduled_and_the_first_new_tick_overlaps_it() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(sleeping(8))
    with simulated(app) as sim:
        sim.advance(seconds=12)
        app.reschedule("work", Every(seconds=4))
        sim.advance(seconds=7)
        assert due(sim.runs("work"), "succeeded") == [10]
        assert due(sim.runs("work"), "skipped", "overlap") == [16]


@pytest.mark.parametrize(
    "old", [Forever(), OrTrigger(triggers=[Every(seconds=2), Forever()]), Every(seconds=2, mode="fixed_delay")]
)
@pytest.mark.parametrize("going", [True, False])
def test_a_task_that_follows_its_own_runs_can_be_put_on_a_grid(old: BaseTrigger, going: bool) -> None:
    app = AioClock()
    app.task(trigger=old, name="work")(sleeping(5))
    with simulated(app) as sim:
        sim.advance(seconds=3)
        if not going:
            app.pause("work")
            sim.advance(seconds=10)
            app.resume("work")
        moved = offset(sim.now)
        app.reschedule("work", Every(seconds=20))
        sim.advance(seconds=50)
        assert [tick for tick in due(sim.runs("work")) if tick > moved] == [moved + 20, moved + 40]


def test_a_task_on_a_grid_can_be_made_to_follow_its_own_runs() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(sleeping(4))
    with simulated(app) as sim:
        sim.advance(seconds=12)
        app.reschedule("work", Forever())
        sim.advance(seconds=11)
        assert due(sim.runs("work")) == [10, 14, 18]


def test_a_trigger_that_waits_by_itself_is_left_when_its_task_is_rescheduled_and_can_be_taken_again() -> None:
    app, trigger = AioClock(), letters()
    app.task(trigger=trigger, name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=1)
        app.reschedule("work", Every(seconds=10))
        trigger.box.put_nowait("a")
        sim.advance(seconds=15)
        assert trigger.taken == []
        assert due(sim.runs("work")) == [11]
        app.reschedule("work", trigger)
        sim.advance(seconds=60)
        assert trigger.taken == ["a"]
        assert due(sim.runs("work")) == [11, 16]


def test_a_task_that_is_over_lives_again_by_another_trigger() -> None:
    app = AioClock()
    app.task(trigger=Once(), name="work")(sleeping(0))
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=5)
        app.reschedule("work", Every(seconds=2, max_loop_count=2))
        sim.advance(seconds=60)
        assert due(sim.runs("work")) == [0, 7, 9]


def test_a_trigger_given_before_serving_holds_when_serving_begins() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="work")(sleeping(0))
    app.reschedule("work", At(hour=9, tz="UTC"))
    with simulated(app) as sim:
        sim.advance(hours=10)
        assert due(sim.runs("work")) == [9 * 3600]


def test_a_paused_task_stays_paused_when_it_is_rescheduled() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="work")(sleeping(0))
    with simulated(app) as sim:
        app.pause("work")
        sim.advance(seconds=1)
        app.reschedule("work", Every(seconds=10))
        sim.advance(seconds=10)
        assert due(sim.runs("work"), "skipped", "paused") == [11]


def test_start_up_and_shut_down_can_neither_be_rescheduled_nor_be_what_a_task_is_rescheduled_to() -> None:
    app = AioClock()
    app.task(trigger=OnStartUp(), name="up")(sleeping(0))
    app.task(trigger=Every(hours=1), name="work")(sleeping(0))
    for ref, trigger in (("up", Every(hours=1)), ("work", OnShutDown()), ("work", OnStartUp())):
        with pytest.raises(TaskDeclarationError, match=ref):
            app.reschedule(ref, trigger)
    assert isinstance(app.tasks["work"].trigger, Every)


def test_rescheduling_a_task_of_a_group_leaves_other_apps_of_the_group_alone() -> None:
    group = Group()
    group.task(trigger=Every(hours=1), name="work")(sleeping(0))
    one, two = AioClock(), AioClock()
    one.include_group(group)
    two.include_group(group)
    one.reschedule("work", Every(hours=2))
    assert (period(one, "work"), period(two, "work")) == (2, 1)


# Adding


def test_lambdas_closures_and_the_same_function_again_get_keys_of_their_own() -> None:
    app, ran = AioClock(), []
    keys = [app.add_task(lambda n=n: ran.append(n), trigger=Once()).key for n in range(3)]
    keys += [app.add_task(report, trigger=Once()).key for _ in range(2)]
    assert len(set(keys)) == 5
    assert keys[1:3] == [f"{keys[0]}#2", f"{keys[0]}#3"]
    with simulated(app) as sim:
        sim.advance(seconds=1)
    assert sorted(ran) == [0, 1, 2]


def test_an_added_task_has_the_policies_of_the_app_unless_it_says_otherwise() -> None:
    app = AioClock(timeout=2, overlap="allow")
    assert app.add_task(report, trigger=Once()).timeout == 2
    assert app.add_task(report, trigger=Once(), timeout=5).timeout == 5
    app.add_task(sleeping(60), trigger=Every(seconds=10), name="slow")
    with simulated(app) as sim:
        sim.advance(seconds=15)
        assert [run.outcome for run in sim.runs("slow")] == ["timed_out"]


def test_a_task_added_while_serving_begins_its_own_grid() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=3)
        app.add_task(sleeping(0), trigger=Every(seconds=10, first_run_strategy="immediate"), name="work")
        sim.advance(seconds=15)
        assert due(sim.runs("work")) == [3, 13]


def test_a_start_up_task_can_not_be_added_when_the_start_up_is_over() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=3)
        with pytest.raises(ServingError, match="too late"):
            app.add_task(report, trigger=OnStartUp(), name="up")
        assert list(app.tasks) == ["other"]
        app.add_task(sleeping(0), trigger=Once(), name="up")  # the name was not used up


@pytest.mark.virtual_time
async def test_a_task_is_added_to_a_running_app_in_which_all_else_is_over() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Once(), name="first")(lambda: ran.append("first"))
    async with app.running() as handle:
        await asyncio.sleep(60)
        app.add_task(lambda: ran.append("second"), trigger=Every(seconds=1, max_loop_count=2))
        await asyncio.sleep(60)
        app.add_task(lambda: ran.append("third"), trigger=Once())
        await asyncio.sleep(60)
        assert handle.serving
    assert ran == ["first", "second", "second", "third"]


@pytest.mark.virtual_time
async def test_a_trigger_that_waits_by_itself_and_comes_after_the_stop_is_not_left_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, before = AioClock(), asyncio.all_tasks()

    @app.task(trigger=Once(), name="work")
    async def work() -> None:
        await app.stop()
        app.add_task(sleeping(0), trigger=letters(), name="late")

    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    await app.serve()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# Removing


def test_a_removed_task_is_gone_with_its_records_and_the_others_go_on() -> None:
    app = AioClock()
    for name in ("work", "other"):
        app.task(trigger=Every(seconds=10), name=name)(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=10)
        app.remove_task("work")
        sim.advance(seconds=10)
        assert list(app.tasks) == ["other"]
        assert due(app.runs()) == [20, 10]
    with pytest.raises(TaskIdNotFound):
        app.runs("work")


def test_a_run_of_a_removed_task_may_finish() -> None:
    app, ended = AioClock(), []

    @app.task(trigger=Every(seconds=10), name="work")
    async def work() -> None:
        await asyncio.sleep(5)
        ended.append(1)

    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=12)
        app.remove_task("work")
        sim.advance(seconds=30)
    assert ended == [1]


def test_a_removed_task_is_not_paused_by_the_failure_of_its_last_run() -> None:
    app, told = AioClock(), []

    @app.task(trigger=Every(seconds=10), name="work", pause_after_failures=1)
    async def work() -> None:
        await asyncio.sleep(5)
        raise OSError("no answer")

    @app.on(RunFailed, TaskPaused, TaskRemoved)
    async def listen(event: Event) -> None:
        told.append(type(event).__name__)

    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=12)
        app.remove_task("work")
        sim.advance(seconds=30)
    assert told == ["TaskRemoved", "RunFailed"]


def test_a_task_may_remove_itself_and_when_it_was_the_last_one_serving_ends_after_its_run() -> None:
    app, order = AioClock(), []

    @app.task(trigger=Every(seconds=10), name="work")
    async def work() -> None:
        app.remove_task("work")
        await asyncio.sleep(5)
        order.append("finished")

    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    with simulated(app) as sim:
        sim.advance(seconds=14)
        assert order == []
        sim.advance(seconds=1)
        assert order == ["finished", "down"]


def test_removing_the_last_task_while_nothing_runs_ends_the_serving() -> None:
    app, order = AioClock(), []
    app.task(trigger=Every(seconds=10), name="work")(sleeping(0))
    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    with simulated(app) as sim:
        sim.advance(seconds=14)
        app.remove_task("work")
        sim.advance(seconds=1)
        assert order == ["down"]


@pytest.mark.virtual_time
async def test_a_run_that_waits_for_its_turn_is_skipped_when_its_task_is_removed_and_the_asker_is_told() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="work", overlap="queue")(sleeping(10, "done"))
    going = asyncio.create_task(app.run_now("work"))
    await asyncio.sleep(1)
    waiting = asyncio.create_task(app.run_now("work"))
    await asyncio.sleep(1)
    app.remove_task("work")
    with pytest.raises(RunSkippedError, match="removed"):
        await waiting
    assert await going == "done"


def test_a_tick_held_back_by_jitter_is_skipped_when_its_task_is_removed() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=100), name="work", jitter=Jitter(50, stable=True))(sleeping(0))
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    reasons = []
    app._roster.runner.ledger.observers.append(lambda facts: reasons.append(facts.reason))
    with simulated(app) as sim:
        sim.advance(seconds=100)
        app.remove_task("work")
        sim.advance(seconds=60)
    assert reasons == ["removed"]


def test_a_trigger_that_waits_by_itself_takes_nothing_any_more_when_its_task_is_removed() -> None:
    app, trigger = AioClock(), letters()
    app.task(trigger=trigger, name="work")(sleeping(0))
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=1)
        app.remove_task("work")
        trigger.box.put_nowait("a")
        sim.advance(seconds=1)
    assert trigger.taken == []


@pytest.mark.parametrize("serving", [True, False])
def test_the_name_of_a_removed_task_is_free_again(serving: bool) -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))

    def replace() -> None:
        app.add_task(sleeping(0), trigger=Every(hours=1), name="work")
        app.remove_task("work")
        app.add_task(sleeping(0), trigger=Every(seconds=1), name="work")

    if not serving:
        replace()
    with simulated(app) as sim:
        if serving:
            replace()
        sim.advance(seconds=2)
        assert due(sim.runs("work")) == [1, 2]


def test_the_key_of_a_removed_function_is_free_again() -> None:
    app = AioClock()
    key = app.add_task(report, trigger=Once()).key
    copy = app.add_task(report, trigger=Once()).key
    app.remove_task(key)
    assert app.add_task(report, trigger=Once()).key == key
    app.remove_task(copy)
    assert app.add_task(report, trigger=Once()).key not in (key, None)


def test_nothing_keeps_a_removed_task_alive() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    func = sleeping(0)
    with simulated(app) as sim:
        app.add_task(func, trigger=Every(seconds=1), name="work")
        sim.advance(seconds=3)
        app.remove_task("work")
        sim.advance(seconds=3)
        gone = weakref.ref(func)
        del func
        gc.collect()
        assert gone() is None
