"""`packages.py install`: install the libraries of requirements.txt for the Python that runs this,
as far as they have wheels for it. The arguments are pip's, so `download` does too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ONLY_WHEELS = ["--quiet", "--only-binary", ":all:"]


def main() -> None:
    """All at once, or else one by one, saying which cannot be had."""
    if sys.version_info.releaselevel == "alpha":
        print("wheels are built for the final version and may crash an alpha: none installed")
        return
    requirements = Path(__file__).with_name("requirements.txt")
    command = [sys.executable, "-m", "pip", *sys.argv[1:], *ONLY_WHEELS]
    together = [*command, "--requirement", str(requirements)]
    if subprocess.run(together, stderr=subprocess.DEVNULL).returncode == 0:
        return
    for line in requirements.read_text().splitlines():
        name = line.partition("#")[0].strip()
        if name and subprocess.run([*command, name], stderr=subprocess.DEVNULL).returncode:
            print(f"{name}: not for this Python, its tests are skipped")


main()
