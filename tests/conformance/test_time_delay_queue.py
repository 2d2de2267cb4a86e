"""Counterparts of tokio-util/tests/time_delay_queue.rs.

Tokio's queue is a timer wheel, which wakes who waits now and then to be turned; this one
wakes for what is due only. Its slab has to be compacted, and gives its keys new places; what
those tests say of the values and their keys holds here without.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.polled import Polled
from yamanote import Runtime
from yamanote.time import DelayKey, DelayQueue, Expired, advance, now, sleep, sleep_until

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def paused() -> Iterator[Run]:
    with Runtime(flavor="current_thread", start_paused=True) as rt:
        yield lambda main: rt.block_on(main())


def ms(count: float) -> float:
    return count / 1000


async def ready(queue: DelayQueue[Any]) -> Any:
    """What is due, without waiting for it."""
    expired = await Polled(queue.next()).ready()
    assert isinstance(expired, Expired)
    return expired.value


async def assert_empty(queue: DelayQueue[Any]) -> None:
    assert await Polled(queue.next()).ready() is None


async def pending(queue: DelayQueue[Any]) -> Polled:
    """Who waits for the queue."""
    polled = Polled(queue.next())
    await polled.pending()
    return polled


async def value(polled: Polled) -> Any:
    return (await polled.ready()).value


def test_single_immediate_delay(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        queue.insert_at("foo", now())
        await sleep(ms(1))
        assert await ready(queue) == "foo"
        await assert_empty(queue)


def test_multi_immediate_delays(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        for name in "123":
            queue.insert_at(name, now())
        await sleep(ms(1))
        assert [await ready(queue) for _ in range(3)] == ["1", "2", "3"]
        await assert_empty(queue)


def test_single_short_delay(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        queue.insert_at("foo", now() + ms(5))
        waiting = await pending(queue)
        await sleep(ms(1))
        await waiting.pending()
        await sleep(ms(5))
        assert await value(waiting) == "foo"
        await assert_empty(queue)


def test_multi_delay_at_start(paused: Run) -> None:
    @paused
    async def main() -> None:
        delays = [1000, 2, 234, 262_144 + 9 * 4096, 60, 10]
        queue = DelayQueue[int]()
        start = now()
        for delay in delays:
            queue.insert_at(delay, start + ms(delay))
        waiting = await pending(queue)
        for elapsed in range(1, 1201):
            await sleep_until(start + ms(elapsed))
            if elapsed in delays:
                assert await value(waiting) == elapsed
                waiting = await pending(queue)
            else:
                await waiting.pending()
        assert len(queue) == 1


def test_insert_in_past_fires_immediately(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        await sleep(ms(10))
        queue.insert_at("foo", began)
        assert await ready(queue) == "foo"


def test_remove_entry(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        key = queue.insert_at("foo", now() + ms(5))
        waiting = await pending(queue)
        assert queue.remove(key).value == "foo"
        await sleep(ms(10))
        assert await waiting.ready() is None


def test_reset_entry(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        key = queue.insert_at("foo", began + ms(5))
        waiting = await pending(queue)
        await sleep(ms(1))
        queue.reset_at(key, began + ms(10))
        await waiting.pending()
        await sleep(ms(7))
        await waiting.pending()
        await sleep(ms(3))
        assert await value(waiting) == "foo"
        await assert_empty(queue)


def test_reset_to_past_wakes_pending_queue(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        key = queue.insert("foo", 10)
        waiting = await pending(queue)
        queue.reset_at(key, now() - ms(100))
        assert await value(waiting) == "foo"
        await assert_empty(queue)


def test_reset_much_later(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        await sleep(ms(1))
        key = queue.insert_at("foo", began + ms(200))
        waiting = await pending(queue)
        await sleep(ms(3))
        queue.reset_at(key, began + ms(10))
        await sleep(ms(20))
        assert await value(waiting) == "foo"


def test_reset_twice(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        await sleep(ms(1))
        key = queue.insert_at("foo", began + ms(200))
        waiting = await pending(queue)
        await sleep(ms(3))
        queue.reset_at(key, began + ms(50))
        await sleep(ms(20))
        queue.reset_at(key, began + ms(40))
        await sleep(ms(20))
        assert await value(waiting) == "foo"


def test_repeatedly_reset_entry_inserted_as_expired(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        key = queue.insert_at("foo", began - ms(100))
        queue.reset_at(key, began + ms(100))
        queue.reset_at(key, began + ms(50))
        waiting = await pending(queue)
        await sleep_until(began + ms(60))
        assert await value(waiting) == "foo"
        await assert_empty(queue)


def test_remove_expired_item(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        await sleep(ms(10))
        key = queue.insert_at("foo", began)
        assert queue.remove(key).value == "foo"


def test_remove_at_timer_wheel_threshold(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        queue.insert_at("foo", began + ms(64))
        other = queue.insert_at("bar", began + ms(64))
        await sleep(ms(80))
        assert await ready(queue) == "foo"
        assert queue.remove(other).value == "bar"


def test_expires_before_last_insert(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        queue.insert_at("foo", began + 10)
        waiting = await pending(queue)
        queue.insert_at("bar", began + ms(600))
        await waiting.pending()
        await sleep(ms(600))
        assert await value(waiting) == "bar"


def test_multi_reset(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        one = queue.insert_at("one", began + ms(200))
        two = queue.insert_at("two", began + ms(250))
        waiting = await pending(queue)
        queue.reset_at(one, began + ms(300))
        queue.reset_at(two, began + ms(350))
        queue.reset_at(one, began + ms(400))
        await sleep(ms(310))
        await waiting.pending()
        await sleep(ms(50))
        assert await value(waiting) == "two"
        waiting = await pending(queue)
        await sleep(ms(50))
        assert await value(waiting) == "one"
        await assert_empty(queue)


def test_expire_first_key_when_reset_to_expire_earlier(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        one = queue.insert_at("one", began + ms(200))
        queue.insert_at("two", began + ms(250))
        waiting = await pending(queue)
        queue.reset_at(one, began + ms(100))
        await sleep(ms(100))
        assert await value(waiting) == "one"


def test_expire_second_key_when_reset_to_expire_earlier(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        queue.insert_at("one", began + ms(200))
        two = queue.insert_at("two", began + ms(250))
        waiting = await pending(queue)
        queue.reset_at(two, began + ms(100))
        await sleep(ms(100))
        assert await value(waiting) == "two"


def test_reset_first_expiring_item_to_expire_later(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        one = queue.insert_at("one", began + ms(200))
        queue.insert_at("two", began + ms(250))
        waiting = await pending(queue)
        queue.reset_at(one, began + ms(300))
        await sleep(ms(250))
        assert await value(waiting) == "two"


def test_insert_before_first_after_poll(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        queue.insert_at("one", began + ms(200))
        waiting = await pending(queue)
        queue.insert_at("two", began + ms(100))
        await sleep(ms(99))
        await waiting.pending()
        await sleep_until(began + ms(100))
        assert await value(waiting) == "two"


def test_insert_after_ready_poll(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        for name in "123":
            queue.insert_at(name, began + ms(100))
        waiting = await pending(queue)
        await sleep(ms(100))
        came = [await value(waiting)]
        queue.insert_at("foo", began + ms(500))
        while len(came) < 3:
            came.append(await ready(queue))
            queue.insert_at("foo", began + ms(500))
        assert came == ["1", "2", "3"]


def test_reset_later_after_slot_starts(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        foo = queue.insert_at("foo", began + ms(100))
        waiting = await pending(queue)
        await sleep_until(began + ms(80))
        await waiting.pending()
        queue.reset_at(foo, began + ms(120))
        await waiting.pending()
        await sleep_until(began + ms(119))
        await waiting.pending()
        await sleep_until(began + ms(120))
        assert await value(waiting) == "foo"


def test_reset_inserted_expired(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        key = queue.insert_at("foo", began - ms(100))
        queue.reset_at(key, began + ms(100))
        assert len(queue) == 1
        await sleep(ms(200))
        assert await ready(queue) == "foo"
        assert len(queue) == 0


def test_reset_earlier_after_slot_starts(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        foo = queue.insert_at("foo", began + ms(200))
        waiting = await pending(queue)
        await sleep_until(began + ms(80))
        await waiting.pending()
        queue.reset_at(foo, began + ms(120))
        await waiting.pending()
        await sleep_until(began + ms(119))
        await waiting.pending()
        await sleep_until(began + ms(120))
        assert await value(waiting) == "foo"


def test_insert_in_past_after_poll_fires_immediately(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        queue.insert_at("foo", began + ms(200))
        waiting = await pending(queue)
        await sleep(ms(80))
        await waiting.pending()
        queue.insert_at("bar", began + ms(40))
        assert await value(waiting) == "bar"


def test_delay_queue_poll_expired_when_empty(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[int]()
        key = queue.insert(0, 10)
        waiting = await pending(queue)
        queue.remove(key)
        assert await waiting.ready() is None


class Thing:
    """A value that can be seen to be gone."""


def test_compact_expire_empty(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[Thing]()
        things = [Thing(), Thing()]
        seen = [weakref.ref(thing) for thing in things]
        while things:
            queue.insert_at(things.pop(), now() + ms(10))
        await sleep(ms(10))
        for _ in seen:
            await ready(queue)
        gc.collect()
        assert [thing() for thing in seen] == [None, None]
        assert len(queue) == 0


def test_compact_remove_empty(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[Thing]()
        things = [Thing(), Thing()]
        seen = [weakref.ref(thing) for thing in things]
        keys = []
        while things:
            keys.append(queue.insert_at(things.pop(), now() + ms(10)))
        for key in keys:
            queue.remove(key)
        gc.collect()
        assert [thing() for thing in seen] == [None, None]
        assert len(queue) == 0


def test_compact_remove_remapped_keys(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        queue.insert_at("foo1", began + ms(10))
        queue.insert_at("foo2", began + ms(10))
        key3 = queue.insert_at("foo3", began + ms(20))
        key4 = queue.insert_at("foo4", began + ms(20))
        await sleep(ms(10))
        assert [await ready(queue) for _ in range(2)] == ["foo1", "foo2"]
        queue.insert_at("foo5", began + ms(10))
        assert queue.remove(key3).value == "foo3"
        assert queue.remove(key4).value == "foo4"
        assert len(queue) == 1


def test_compact_change_deadline(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        queue.insert_at("foo1", began + ms(10))
        queue.insert_at("foo2", began + ms(10))
        queue.insert_at("foo3", began + ms(20))
        key4 = queue.insert_at("foo4", began + ms(20))
        await sleep_until(began + ms(10))
        assert [await ready(queue) for _ in range(2)] == ["foo1", "foo2"]
        began = now()
        queue.insert_at("foo5", began + ms(10))
        key6 = queue.insert_at("foo6", began + ms(10))
        queue.reset_at(key4, began + ms(20))
        queue.reset_at(key6, began + ms(20))
        await sleep_until(began + ms(11))
        assert sorted([await ready(queue) for _ in range(2)]) == ["foo3", "foo5"]
        waiting = await pending(queue)
        await sleep_until(began + ms(20))
        assert [await value(waiting), await ready(queue)] == ["foo4", "foo6"]
        await assert_empty(queue)


def test_item_expiry_greater_than_wheel(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[int]()
        for _ in range(2):
            await advance(ms(1 << 35))
            queue.insert(0, 0)
            assert await ready(queue) == 0
        queue.insert(1, ms(1))
        assert len(queue) == 1


def test_remove_after_compact(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        foo = queue.insert_at("foo", now() + ms(10))
        queue.insert_at("bar", now() + ms(20))
        queue.remove(foo)
        with pytest.raises(KeyError):
            queue.remove(foo)
        assert len(queue) == 1


def test_remove_after_compact_poll(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        foo = queue.insert_at("foo", now() + ms(10))
        queue.insert_at("bar", now() + ms(20))
        await sleep(ms(10))
        expired = await Polled(queue.next()).ready()
        assert expired.key is foo
        with pytest.raises(KeyError):
            queue.remove(foo)
        assert len(queue) == 1


def test_peek(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        began = now()
        foo = queue.insert_at("foo", began + ms(5))
        bar = queue.insert_at("bar", began)
        baz = queue.insert_at("baz", began + ms(10))
        first: DelayKey | None = queue.peek()
        assert first is bar
        await sleep_until(began + ms(6))
        assert queue.peek() is bar
        assert await ready(queue) == "bar"
        assert queue.peek() is foo
        assert await ready(queue) == "foo"
        assert queue.peek() is baz
        waiting = await pending(queue)
        assert queue.peek() is baz
        await sleep_until(began + ms(11))
        assert await value(waiting) == "baz"
        assert queue.peek() is None


def test_wake_after_remove_last(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        key = queue.insert("foo", 1)
        waiting = await pending(queue)
        queue.remove(key)
        assert await waiting.ready() is None


def test_wake_after_clear(paused: Run) -> None:
    @paused
    async def main() -> None:
        queue = DelayQueue[str]()
        queue.insert("foo", 1)
        waiting = await pending(queue)
        queue.clear()
        assert await waiting.ready() is None
