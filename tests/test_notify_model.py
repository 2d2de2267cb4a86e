"""Notify against a simple model: a line, and at most one permit."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yamanote import Runtime, spawn, spawn_blocking
from yamanote.sync import Notified, Notify

from .gates import until
from .polled import Polled, on_one_worker, settle

STEPS = st.lists(
    st.one_of(
        st.sampled_from(["wait", "enable", "one", "last", "all", "settle"]).map(lambda op: (op, 0)),
        st.tuples(st.sampled_from(["cancel", "drop", "await"]), st.integers(0, 5)),
    ),
    min_size=10,
    max_size=40,
)


class Model:
    def __init__(self) -> None:
        self.line: list[int] = []
        self.permit = False
        self.got: dict[int, str] = {}

    def arrive(self, number: int) -> bool:
        """Whether it is notified at once."""
        if self.permit:
            self.permit = False
            self.got[number] = "one"
            return True
        self.line.append(number)
        return False

    def notify(self, which: str) -> None:
        if which == "all":
            self.got.update(dict.fromkeys(self.line, which))
            self.line.clear()
        elif self.line:
            self.got[self.line.pop(-1 if which == "last" else 0)] = which
        else:
            self.permit = True

    def leave(self, number: int) -> None:
        if number in self.line:
            self.line.remove(number)
        got = self.got.pop(number, "all")
        if got != "all":
            self.notify(got)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_in_steps(steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        notify, model = Notify(), Model()
        waiting: dict[int, Polled] = {}
        enabled: dict[int, Notified] = {}
        finished: set[int] = set()
        made = 0

        async def look() -> None:
            await settle()
            for number, polled in list(waiting.items()):
                assert await polled.poll() == (number in model.got), (number, model.got)
                if number in model.got:
                    await waiting.pop(number).ready()
                    finished.add(number)

        for op, argument in steps:
            if op == "wait":
                made += 1
                waiting[made] = Polled(notify.notified())
                model.arrive(made)
                # Its place is taken when it runs; those who are notified run, too.
                await look()
            elif op == "enable":
                made += 1
                notified = notify.notified()
                # True means that it is done, and has nothing to pass on.
                if notified.enable():
                    assert model.arrive(made)
                else:
                    assert not model.arrive(made)
                    enabled[made] = notified
                del notified  # the only reference is the one in `enabled`
            elif op in ("one", "last", "all"):
                {"one": notify.notify_one, "last": notify.notify_last}.get(
                    op, notify.notify_waiters
                )()
                model.notify(op)
            elif op == "settle":
                await look()
            elif op == "cancel" and waiting:
                number = sorted(waiting)[argument % len(waiting)]
                waiting.pop(number).abort()
                model.leave(number)
                await look()
            elif op == "drop" and enabled:
                number = sorted(enabled)[argument % len(enabled)]
                del enabled[number]
                model.leave(number)
            elif op == "await" and enabled:
                number = sorted(enabled)[argument % len(enabled)]
                waiting[number] = Polled(enabled.pop(number))
                await look()
        await look()
        notify.notify_waiters()
        model.notify("all")
        await look()
        assert not waiting
        probe = notify.notified()
        assert probe.enable() == model.permit

    on_one_worker(main())


@given(
    survivors=st.integers(0, 5),
    steps=st.lists(st.sampled_from(["one", "last", "cancel"]), max_size=10),
    workers=st.sampled_from([1, 4]),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_in_threads(survivors: int, steps: list[str], workers: int, switch_interval: float) -> None:
    """As long as somebody waits each notification ends one wait, whoever is cancelled."""
    doomed = steps.count("cancel")
    given_ = min(len(steps) - doomed, survivors)

    async def main() -> None:
        notify = Notify()
        done: list[None] = []

        async def wait(notified: Notified) -> None:
            await notified
            done.append(None)

        def stand() -> Notified:
            notified = notify.notified()
            assert not notified.enable()
            return notified

        handles = [spawn(wait(stand())) for _ in range(doomed + survivors)]
        to_cancel = handles[::-1][:doomed] if survivors % 2 else handles[:doomed]
        cancelled = iter(to_cancel)

        def act() -> None:
            left = given_
            for step in steps:
                if step == "cancel":
                    next(cancelled).abort()
                elif left:
                    left -= 1
                    (notify.notify_last if step == "last" else notify.notify_one)()

        await spawn_blocking(act)
        await until(lambda: len(done) == given_)
        await until(lambda: all(handle.is_finished() for handle in to_cancel))
        assert len(done) == given_
        # Nor is one left over.
        stand()
        notify.notify_waiters()
        await until(lambda: all(handle.is_finished() for handle in handles))

    with Runtime(worker_threads=workers) as rt:
        rt.block_on(main())
