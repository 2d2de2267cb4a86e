"""CPython's own tests of asyncio, in this process, on asyncio's loop or on Yamanote's.

    python compat/asyncio_suite.py (asyncio|yamanote) MODULE

MODULE is one of `test.test_asyncio`, such as `test_tasks`. One line of JSON goes to standard
output: the outcome of each test by its name.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import unittest
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import yamanote
from yamanote.runtime.loop_task import LoopTask


class Outcomes(unittest.TestResult):
    """Notes for each test whether it passed; a test with a failed subtest has not."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.outcomes[test.id()] = "passed"
        print(test.id(), file=sys.stderr, flush=True)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.outcomes[test.id()] = "skipped"

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        self.outcomes[test.id()] = "skipped"

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self.outcomes[test.id()] = "failed"
        print(self.errors[-1][1], file=sys.stderr)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.outcomes[test.id()] = "failed"
        print(self.failures[-1][1], file=sys.stderr)

    def addSubTest(self, test: unittest.TestCase, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcomes[test.id()] = "failed"
            print((self.errors + self.failures)[-1][1], file=sys.stderr)


def use_our_loops() -> None:
    """Have asyncio make our loops wherever it, or a test, asks for one."""
    make = yamanote.EventLoop.__init__

    def accept_selector(loop: yamanote.EventLoop, selector: Any = None) -> None:
        # Ours waits in a selector of its own.
        if selector is not None:
            selector.close()
        make(loop)

    yamanote.EventLoop.__init__ = accept_selector  # type: ignore[method-assign]
    asyncio.SelectorEventLoop = yamanote.EventLoop  # type: ignore[misc, assignment]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.14 on
        policy: Any = asyncio.get_event_loop_policy()
    # Of the class: the tests make policies of their own.
    type(policy)._loop_factory = yamanote.EventLoop
    if hasattr(asyncio, "EventLoop"):
        asyncio.EventLoop = yamanote.EventLoop  # type: ignore[misc, assignment]


def add_case(module: Any, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> None:
    """One more test case in a module."""
    names = {"__module__": module.__name__, "__qualname__": name}
    setattr(module, name, type(name, (*bases, module.test_utils.TestCase), names | attributes))


def use_our_eager_tasks(test_eager_task_factory: Any) -> None:
    """Have the tests of eagerly started tasks run with ours."""
    module = test_eager_task_factory
    for tests, bases in {
        "YamanoteEagerTaskFactoryLoopTests": (module.EagerTaskFactoryLoopTests,),
        "YamanoteNonEagerTests": (module.BaseNonEagerTaskFactoryTests,),
        "YamanoteEagerTests": (module.BaseEagerTaskFactoryTests,),
    }.items():
        add_case(module, tests, bases, {"Task": LoopTask})


def use_our_tasks(test_tasks: Any) -> None:
    """Have the tests of the Task class run with ours, on the loop that those tests simulate."""
    base = test_tasks.test_utils.TestLoop
    base.push = lambda loop, task: loop._ready.append(task)
    base.worker = property(
        lambda loop: SimpleNamespace(carriers=[], carry=True, queue_callback=loop._ready.append)
    )
    call_soon = base.call_soon

    def call_soon_or_step(loop: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        if type(callback) is LoopTask:
            return loop._ready.append(callback)
        return call_soon(loop, callback, *args, context=context)

    base.call_soon = call_soon_or_step

    bases = (test_tasks.BaseTaskTests, test_tasks.SetMethodsTest)
    add_case(test_tasks, "YamanoteTaskTests", bases, {"Task": LoopTask, "Future": asyncio.Future})

    def new_task(tests: Any, coro: Any) -> LoopTask:
        return LoopTask(coro, loop=tests.loop)

    add_case(
        test_tasks,
        "YamanoteCurrentLoopTests",
        (test_tasks.BaseCurrentLoopTests,),
        {"new_task": new_task, "current_task": staticmethod(asyncio.current_task)},
    )


def run(module: str, prepare: Callable[[], None] | None) -> dict[str, str]:
    """Run one module of `test.test_asyncio`; the outcome of each test."""
    if prepare is not None:
        prepare()
    loaded = importlib.import_module(f"test.test_asyncio.{module}")
    if prepare is not None and module == "test_tasks":
        use_our_tasks(loaded)
    if prepare is not None and module == "test_eager_task_factory":
        use_our_eager_tasks(loaded)
    suite = unittest.defaultTestLoader.loadTestsFromModule(loaded)
    result = Outcomes()
    suite.run(result)
    return result.outcomes


if __name__ == "__main__":
    json.dump(run(sys.argv[2], use_our_loops if sys.argv[1] == "yamanote" else None), sys.stdout)
