"""What is read off around a workload: a time, or how much memory it took."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import ClassVar


class Meter:
    """`with meter:` measures what is inside, from `start` to `stop`; `read` is for what was
    measured elsewhere."""

    unit: ClassVar[str]
    value: float

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def read(self, value: float) -> None:
        self.value = value

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class Stopwatch(Meter):
    """Seconds."""

    unit = "second"

    def start(self) -> None:
        self._began = time.perf_counter()

    def stop(self) -> None:
        self.value = time.perf_counter() - self._began


class Scale(Meter):
    """Bytes by which the process's resident memory has grown."""

    unit = "byte"

    def start(self) -> None:
        gc.collect()
        self._before = _resident()

    def stop(self) -> None:
        self.value = _resident() - self._before


def _resident() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmRSS")
