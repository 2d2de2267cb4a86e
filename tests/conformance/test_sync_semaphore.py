"""Counterparts of tokio/tests/sync_semaphore.rs."""

from __future__ import annotations

import threading

import pytest

from yamanote import Runtime, spawn
from yamanote.sync import AcquireError, Semaphore, TryAcquireError

SIZES = [(size, change) for size in range(4) for change in range(4)]


def test_no_permits() -> None:
    assert Semaphore(0).available_permits() == 0


def test_try_acquire() -> None:
    semaphore = Semaphore(1)
    permit = semaphore.try_acquire()
    with pytest.raises(TryAcquireError) as error:
        semaphore.try_acquire()
    assert error.value.is_no_permits()
    del permit
    semaphore.try_acquire()


def test_acquire(rt: Runtime) -> None:
    async def main() -> None:
        semaphore = Semaphore(1)

        async def take() -> None:
            await semaphore.acquire()

        permit = semaphore.try_acquire()
        handle = spawn(take())
        del permit
        await handle

    rt.block_on(main())


def test_add_permits(rt: Runtime) -> None:
    async def main() -> None:
        semaphore = Semaphore(0)

        async def take() -> None:
            await semaphore.acquire()

        handle = spawn(take())
        semaphore.add_permits(1)
        await handle

    rt.block_on(main())


@pytest.mark.parametrize(("size", "add"), SIZES)
def test_add_permits_open(size: int, add: int) -> None:
    semaphore = Semaphore(size)
    semaphore.add_permits(add)
    assert semaphore.available_permits() == size + add
    assert not semaphore.is_closed()


@pytest.mark.parametrize(("size", "add"), SIZES)
def test_add_permits_closed(size: int, add: int) -> None:
    semaphore = Semaphore(size)
    semaphore.close()
    semaphore.add_permits(add)
    assert semaphore.available_permits() == size + add
    assert semaphore.is_closed()


def test_forget() -> None:
    semaphore = Semaphore(1)
    permit = semaphore.try_acquire()
    assert semaphore.available_permits() == 0
    permit.forget()
    assert semaphore.available_permits() == 0
    del permit
    with pytest.raises(TryAcquireError):
        semaphore.try_acquire()


@pytest.mark.parametrize(("size", "sub"), SIZES)
def test_forget_open(size: int, sub: int) -> None:
    semaphore = Semaphore(size)
    assert semaphore.forget_permits(sub) == min(size, sub)
    assert semaphore.available_permits() == max(size - sub, 0)
    assert not semaphore.is_closed()


@pytest.mark.parametrize(("size", "sub"), SIZES)
def test_forget_closed(size: int, sub: int) -> None:
    semaphore = Semaphore(size)
    semaphore.close()
    assert semaphore.forget_permits(sub) == min(size, sub)
    assert semaphore.available_permits() == max(size - sub, 0)
    assert semaphore.is_closed()


def test_merge() -> None:
    semaphore = Semaphore(3)
    one = semaphore.try_acquire()
    assert semaphore.available_permits() == 2
    two = semaphore.try_acquire(2)
    assert semaphore.available_permits() == 0
    one.merge(two)
    del two
    assert semaphore.available_permits() == 0
    assert one.num_permits == 3
    del one
    assert semaphore.available_permits() == 3


def test_merge_unrelated_permits() -> None:
    one, two = Semaphore(3).try_acquire(), Semaphore(3).try_acquire()
    with pytest.raises(ValueError, match="another permit of the same semaphore"):
        one.merge(two)


def test_split() -> None:
    semaphore = Semaphore(5)
    one = semaphore.try_acquire(3)
    two = one.split(1)
    assert two is not None
    assert semaphore.available_permits() == 2
    assert (one.num_permits, two.num_permits) == (2, 1)
    three = one.split(0)
    assert three is not None
    assert three.num_permits == 0
    del one
    assert semaphore.available_permits() == 4
    four = two.split(1)
    assert four is not None
    assert (two.num_permits, four.num_permits) == (0, 1)
    assert two.split(1) is None
    del two, three
    assert semaphore.available_permits() == 4
    del four
    assert semaphore.available_permits() == 5


def test_stress_test(rt: Runtime) -> None:
    async def main() -> None:
        semaphore = Semaphore(5)

        async def take() -> None:
            with await semaphore.acquire():
                pass

        for handle in [spawn(take()) for _ in range(1000)]:
            await handle
        permits = [semaphore.try_acquire() for _ in range(5)]
        with pytest.raises(TryAcquireError):
            semaphore.try_acquire()
        assert len(permits) == 5

    rt.block_on(main())


def test_blocking_acquire() -> None:
    semaphore = Semaphore(1)
    permit = semaphore.blocking_acquire()
    assert semaphore.available_permits() == 0
    del permit
    assert semaphore.available_permits() == 1


def test_blocking_acquire_waits_for_permit() -> None:
    semaphore = Semaphore(0)
    acquired: list[int] = []

    def take() -> None:
        acquired.append(semaphore.blocking_acquire(timeout=10).num_permits)

    thread = threading.Thread(target=take)
    thread.start()
    semaphore.add_permits(1)
    thread.join()
    assert acquired == [1]


def test_blocking_acquire_many() -> None:
    semaphore = Semaphore(5)
    permit = semaphore.blocking_acquire(3)
    assert semaphore.available_permits() == 2
    del permit
    assert semaphore.available_permits() == 5


def test_blocking_acquire_closed() -> None:
    semaphore = Semaphore(1)
    semaphore.close()
    for permits in (1, 2):
        with pytest.raises(AcquireError):
            semaphore.blocking_acquire(permits)


def test_blocking_acquire_in_async_context(rt: Runtime) -> None:
    async def main() -> None:
        Semaphore(1).blocking_acquire()

    with pytest.raises(RuntimeError, match=r"blocking_acquire\(\) would block a worker"):
        rt.block_on(main())


def test_blocking_acquire_many_in_async_context(rt: Runtime) -> None:
    async def main() -> None:
        Semaphore(1).blocking_acquire(2)

    with pytest.raises(RuntimeError, match=r"await acquire\(\)"):
        rt.block_on(main())
