"""Children of the demo: started, watched, started again when they die, and ended in order."""

import ctypes
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESTART_AFTER_S = 10.0
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 4.0
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """The demo can't go on; the message says why and how to mend it."""


def say(text: str) -> None:
    print(f"demo: {text}", flush=True)


def run(arguments: list[str], *, stdin: str | None = None, accept: tuple[int, ...] = (0,)) -> str:
    """Run one command to its end and return what it printed."""
    done = subprocess.run(arguments, input=stdin or "", capture_output=True, text=True, check=False)
    if done.returncode not in accept:
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        command = " ".join([Path(arguments[0]).name, *arguments[1:2]])
        raise DemoError(f"`{command}` ended with {done.returncode}: {reason}")
    return done.stdout


def _die_with_parent() -> None:
    """Even a demo that is killed leaves no child behind (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One long-running program. `before_start` runs before each start, the first one too."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        log: Path,
        *,
        while_down: str,
        before_start: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.ready_line: dict[str, Any] = {}
        self._arguments = arguments
        self._log = log
        self._while_down = while_down
        self._before_start = before_start
        self._process: subprocess.Popen[str] | None = None
        self._ready = threading.Event()
        self._restart_at: float | None = None

    def start(self) -> None:
        self._before_start()
        self._ready.clear()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the demo alone, which ends us in order
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads of ours hold locks here
            )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with self._log.open("a") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                if line.startswith("{") and not self._ready.is_set():
                    self.ready_line = json.loads(line)
                    self._ready.set()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._ready.wait(0.05):
            assert self._process is not None
            status = self._process.poll()
            if status is not None:
                raise DemoError(f"the {self.name} ended with {status}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise DemoError(f"the {self.name} is not ready after {READY_TIMEOUT_S:.0f} s")

    def _last_words(self) -> str:
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"nothing in {self._log}"

    def watch(self, now: float) -> None:
        """Call often: notices a death, says so in one line, and starts again after a while."""
        if self._process is None:
            return
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._restart_at = None
                say(f"starting the {self.name} again")
                self.start()
            return
        status = self._process.poll()
        if status is not None:
            how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
            self._restart_at = now + RESTART_AFTER_S
            say(f"the {self.name} is gone ({how}); {self._while_down}; "
                f"back in {RESTART_AFTER_S:.0f} s")  # fmt: skip

    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None and self._ready.is_set()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            say(f"the {self.name} did not end within {STOP_TIMEOUT_S:.0f} s; killing it")
            self._process.kill()
            self._process.wait()
