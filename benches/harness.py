"""What the scripts of this directory share."""

import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def built(kind, name, package=None):
    """Builds a `bench` or an `example` in release mode, and returns the program's path."""
    command = ["cargo", "build", "--release", f"--{kind}", name, "--message-format", "json"]
    command += ["--package", package] if package else []
    build = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    for message in map(json.loads, build.stdout.splitlines()):
        if message.get("executable") and message["target"]["name"] == name:
            return message["executable"]
    sys.exit(f"{' '.join(command)} built no program")


def circumstances():
    """The date, the machine and what the project was built from, in a line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    compiler = output("rustc", "--version").split("(")[0].strip()
    commit = output("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    system = f"{platform.system()} {platform.release()}"
    return f"{date.today()}; {processor()}, {cores} cores; {system}; {compiler}; commit {commit}"


def processor():
    """The processor's name, and the widest instructions that are of use here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    facts = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    flags = facts.get("flags", "").split()
    widest = [name for flag, name in [("avx512f", "AVX-512"), ("avx2", "AVX2")] if flag in flags]
    name = facts.get("model name", platform.machine()).strip()
    return f"{name} ({widest[0]})" if widest else name


def output(*command):
    """What a program prints; nothing if it fails or is not there."""
    try:
        run = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def markdown(header, rows):
    """A table whose first column is text and the others numbers."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def run(command):
    """What a program takes: seconds, peak resident memory in MiB, the last line it prints, and
    seconds of processor time."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{' '.join(command)} failed")
    # In KiB, but on macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    processor = usage.ru_utime + usage.ru_stime
    return seconds, usage.ru_maxrss / unit, printed.splitlines()[-1], processor
