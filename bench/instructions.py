"""How many instructions an operation takes, which no load on the machine changes.

    python -m bench.instructions              bytecode instructions, as JSON
    python -m bench.instructions --record     the same, into tests/cost.json for this Python
    python -m bench.instructions --where yield  the same of one operation, function by function
    python -m bench.instructions --callgrind  machine instructions, by valgrind

Each operation is counted for two numbers of times, and the difference divided: what starting
and stopping take is in neither. Bytecode does not show what is done in C; valgrind does.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from bench.machine import tag
from bench.meter import Meter, Stopwatch
from bench.peers.on_yamanote import Yamanote

RECORD = Path(__file__).parent.parent / "tests" / "cost.json"
TIMES = 1_000
WIDTH = 100

Program = Callable[[Yamanote, Meter, int], Any]

OPERATIONS: dict[str, Program] = {
    "yield": Yamanote.yields,
    "spawn and join": Yamanote.spawn_join,
    "fan-out of 100": lambda peer, meter, count: peer.fan_out(meter, WIDTH, count // WIDTH),
    "round trip over channels": Yamanote.ping_pong,
}


def bytecode() -> dict[str, float]:
    """Bytecode instructions for each operation, all its parts in the runtime included."""
    return {name: round(sum(where(name).values()), 3) for name in OPERATIONS}


def where(name: str) -> dict[str, float]:
    """Bytecode instructions for one operation, by function, the most first."""
    program = OPERATIONS[name]
    once, twice = count(program, TIMES), count(program, 2 * TIMES)
    found = {
        f"{Path(code.co_filename).stem}.{code.co_qualname}": (twice[code] - once[code]) / TIMES
        for code in twice
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def count(program: Program, times: int) -> Counter[CodeType]:
    """Bytecode instructions of a run on one worker: on this thread."""
    run(program, times)  # what is done only once, is done
    gc.collect()
    gc.disable()
    try:
        return (_by_monitoring if sys.version_info >= (3, 12) else _by_tracing)(program, times)
    finally:
        gc.enable()


def run(program: Program, times: int) -> None:
    peer = Yamanote()
    if peer.run(program, peer, Stopwatch(), times) != times:
        raise AssertionError(f"{program} has not done its work")


def _by_monitoring(program: Program, times: int) -> Counter[CodeType]:
    found: Counter[CodeType] = Counter()

    def one_more(code: CodeType, offset: int) -> None:
        found[code] += 1

    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    tool, instruction = monitoring.PROFILER_ID, monitoring.events.INSTRUCTION
    monitoring.use_tool_id(tool, __name__)
    monitoring.register_callback(tool, instruction, one_more)
    monitoring.set_events(tool, instruction)
    try:
        run(program, times)
    finally:
        monitoring.set_events(tool, 0)
        monitoring.register_callback(tool, instruction, None)
        monitoring.free_tool_id(tool)
    return found


def _by_tracing(program: Program, times: int) -> Counter[CodeType]:
    found: Counter[CodeType] = Counter()

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if event == "call":
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
        elif event == "opcode":
            found[frame.f_code] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run(program, times)
    finally:
        sys.settrace(before)
    return found


def callgrind() -> dict[str, float]:
    """Machine instructions for each operation."""
    return {
        name: (_callgrind(name, 2 * TIMES) - _callgrind(name, TIMES)) / TIMES for name in OPERATIONS
    }


def _callgrind(name: str, times: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        command = [*valgrind, sys.executable, "-m", "bench.instructions", "--run", name, str(times)]
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1])


def record(counted: dict[str, float]) -> None:
    """As what the test compares with on this Python."""
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    known[tag()] = counted
    RECORD.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.instructions")
    parser.add_argument("--record", action="store_true", help="into tests/cost.json")
    parser.add_argument("--where", choices=OPERATIONS, help="function by function")
    parser.add_argument("--callgrind", action="store_true", help="machine instructions")
    parser.add_argument("--run", nargs=2, metavar=("OPERATION", "TIMES"), help="and count nothing")
    args = parser.parse_args()
    if args.run:
        run(OPERATIONS[args.run[0]], int(args.run[1]))
        return
    if args.where:
        for function, number in where(args.where).items():
            print(f"{number:8.1f}  {function}")
        return
    counted = callgrind() if args.callgrind else bytecode()
    print(json.dumps({tag(): counted}, indent=2))
    if args.record:
        record(counted)


if __name__ == "__main__":
    main()
