"""Processes that outlive the program that started them.

Each has a pid file with its pid and its start time as the kernel counts it. A pid alone may be another program's by
now; the two together never are, so nothing that we did not start is ever signalled.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

from console import Failure

LOG_TAIL_LINES = 15
LOG_TAIL_BYTES = 16384
KILLED_WITHIN_S = 60  # a thread that waits for the disk ends when the disk has answered


def _stat(pid):
    """(state, start time) of a process, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[19])


def _has_other_threads(pid):
    """Whether threads besides the first one live: they keep its sockets and files open."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


class Process:
    """One long-running process: how to find it, its log, and how to end it."""

    def __init__(self, name, pid_file, log_file):
        self.name = name
        self.pid_file = Path(pid_file)
        self.log_file = Path(log_file)
        self._child = None

    def start(self, argv, cwd, env):
        """Start it in a session of its own, with stdout and stderr appended to its log."""
        if self.pid() is not None:
            raise Failure(f"{self.name} is running already (pid {self.pid()})")
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(self.log_file, "ab") as log:
                self._child = subprocess.Popen(
                    [str(word) for word in argv], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT, start_new_session=True)
        except FileNotFoundError as error:
            raise Failure(f"cannot start {self.name}: {error.filename} is missing") from None
        started = _stat(self._child.pid)
        new = self.pid_file.with_suffix(".new")
        new.write_text(f"{self._child.pid} {started[1] if started else 0}\n")
        new.replace(self.pid_file)

    def pid(self):
        """The pid while it runs, else None."""
        try:
            pid, started = (int(word) for word in self.pid_file.read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        stat = _stat(pid)
        if stat is None or stat[1] != started:
            return None
        if stat[0] in "ZX" and not _has_other_threads(pid):
            self._reap(pid)
            return None
        return pid

    def _reap(self, pid):
        if self._child is not None and self._child.pid == pid:
            self._child.poll()

    def signal(self, number):
        """Send a signal if it runs. Returns whether it did."""
        pid = self.pid()
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait_dead(self, timeout_s):
        """Wait until it is gone. Returns whether it is."""
        end = time.monotonic() + timeout_s
        while self.pid() is not None:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def kill(self):
        """kill -9. Returns whether it ran."""
        ran = self.signal(signal.SIGKILL)
        self.wait_dead(KILLED_WITHIN_S)
        self.forget()
        return ran

    def forget(self):
        """Remove the pid file of a process that is gone."""
        self.pid_file.unlink(missing_ok=True)

    def log_tail(self, lines=LOG_TAIL_LINES):
        """The last lines of its log."""
        try:
            with open(self.log_file, "rb") as log:
                log.seek(max(0, self.log_file.stat().st_size - LOG_TAIL_BYTES))
                text = log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        return "\n".join("    " + line for line in text.splitlines()[-lines:])

    def require_alive(self):
        """Raise a Failure that names it and its log when it is dead."""
        if self.pid() is None:
            raise Failure(f"{self.name} is dead; its log is {self.log_file}, which ends:\n{self.log_tail()}")


def stop_all(processes, number, grace_s):
    """Ask all to end, wait, and kill those that do not. Returns the processes that had to be killed."""
    asked = [process for process in processes if process.signal(number)]
    end = time.monotonic() + grace_s
    stubborn = [process for process in asked if not process.wait_dead(max(0.0, end - time.monotonic()))]
    for process in stubborn:
        process.kill()
    for process in processes:
        if process.pid() is None:
            process.forget()
    return stubborn
