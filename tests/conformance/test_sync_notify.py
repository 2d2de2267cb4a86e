"""Counterpart of tokio/tests/sync_notify.rs."""

from __future__ import annotations

from yamanote.sync import Notify

from ..polled import Polled, on_one_worker, settle


def waiting(notify: Notify) -> Polled:
    async def wait() -> None:
        await notify.notified()

    return Polled(wait())


def test_notify_notified_one() -> None:
    async def main() -> None:
        notify = Notify()
        notified = waiting(notify)
        notify.notify_one()
        await notified.ready()

    on_one_worker(main())


def test_notify_multi_notified_one() -> None:
    async def main() -> None:
        notify = Notify()
        first, second = waiting(notify), waiting(notify)
        await first.pending()
        await second.pending()
        notify.notify_one()
        await first.ready()
        await second.pending()

    on_one_worker(main())


def test_notify_multi_notified_last() -> None:
    async def main() -> None:
        notify = Notify()
        first, second = waiting(notify), waiting(notify)
        await first.pending()
        await second.pending()
        notify.notify_last()
        await first.pending()
        await second.ready()

    on_one_worker(main())


def test_notified_one_notify() -> None:
    async def main() -> None:
        notify = Notify()
        notified = waiting(notify)
        await notified.pending()
        notify.notify_one()
        await notified.ready()

    on_one_worker(main())


def test_notified_multi_notify() -> None:
    async def main() -> None:
        notify = Notify()
        first, second = waiting(notify), waiting(notify)
        await first.pending()
        await second.pending()
        notify.notify_one()
        await second.pending()
        await first.ready()
        await second.pending()

    on_one_worker(main())


def test_notify_notified_multi() -> None:
    async def main() -> None:
        notify = Notify()
        notify.notify_one()
        first, second = waiting(notify), waiting(notify)
        await first.ready()
        await second.pending()
        notify.notify_one()
        await second.ready()

    on_one_worker(main())


def test_notified_drop_notified_notify() -> None:
    async def main() -> None:
        notify = Notify()
        first, second = waiting(notify), waiting(notify)
        await first.pending()
        await first.drop()
        await second.pending()
        notify.notify_one()
        await second.ready()

    on_one_worker(main())


def test_notified_multi_notify_drop_one() -> None:
    async def main() -> None:
        notify = Notify()
        first, second = waiting(notify), waiting(notify)
        await first.pending()
        await second.pending()
        notify.notify_one()
        first.abort()
        await second.ready()

    on_one_worker(main())


def test_notified_multi_notify_one_drop() -> None:
    async def main() -> None:
        notify = Notify()
        first, second, third = waiting(notify), waiting(notify), waiting(notify)
        for each in (first, second, third):
            await each.pending()
        notify.notify_one()
        first.abort()
        await second.ready()
        await third.pending()

    on_one_worker(main())


def test_notified_multi_notify_last_drop() -> None:
    async def main() -> None:
        notify = Notify()
        first, second, third = waiting(notify), waiting(notify), waiting(notify)
        for each in (first, second, third):
            await each.pending()
        notify.notify_last()
        third.abort()
        await second.ready()
        await first.pending()

    on_one_worker(main())


def test_notify_in_drop_after_wake() -> None:
    async def main() -> None:
        # The waker's destructor there is the end of the task here.
        notify = Notify()
        seen = []

        class NotifyOnDrop:
            def __del__(self) -> None:
                notify.notify_waiters()
                seen.append(True)

        async def wait(_held: object) -> None:
            await notify.notified()

        notified = Polled(wait(NotifyOnDrop()))
        await notified.pending()
        notify.notify_waiters()
        await notified.ready()
        del notified
        await settle()
        assert seen

    on_one_worker(main())


def test_notify_one_after_dropped_all() -> None:
    async def main() -> None:
        notify = Notify()
        first = waiting(notify)
        await first.pending()
        notify.notify_waiters()
        notify.notify_one()
        first.abort()
        await waiting(notify).ready()

    on_one_worker(main())


def test_notify_one_not_enabled() -> None:
    async def main() -> None:
        notify = Notify()
        future = Polled(notify.notified())
        notify.notify_one()
        await future.ready()

    on_one_worker(main())


def test_notify_one_after_enable() -> None:
    async def main() -> None:
        notify = Notify()
        notified = notify.notified()
        assert not notified.enable()
        notify.notify_one()
        await Polled(notified).ready()
        assert notified.enable()

    on_one_worker(main())


def test_poll_after_enable() -> None:
    async def main() -> None:
        notify = Notify()
        notified = notify.notified()
        assert not notified.enable()
        future = Polled(notified)
        await future.pending()
        await future.drop()

    on_one_worker(main())


def test_enable_after_poll() -> None:
    async def main() -> None:
        notify = Notify()
        notified = notify.notified()
        future = Polled(notified)
        await future.pending()
        assert not notified.enable()
        await future.drop()

    on_one_worker(main())


def test_enable_consumes_permit() -> None:
    async def main() -> None:
        notify = Notify()
        notify.notify_one()
        first = notify.notified()
        assert first.enable()
        second = notify.notified()
        assert not second.enable()

    on_one_worker(main())


def test_waker_update() -> None:
    async def main() -> None:
        # One task gives up, another goes on with the same awaitable.
        notify = Notify()
        notified = notify.notified()
        first = Polled(notified)
        await first.pending()
        await first.drop()
        second = Polled(notified)
        await second.pending()
        notify.notify_one()
        await second.ready()

    on_one_worker(main())


def test_unpolled_future_completed_by_notify_waiters_preserves_notify_one_permit() -> None:
    async def main() -> None:
        notify = Notify()
        first = notify.notified()
        notify.notify_waiters()
        notify.notify_one()
        await Polled(first).ready()
        await Polled(notify.notified()).ready()

    on_one_worker(main())
