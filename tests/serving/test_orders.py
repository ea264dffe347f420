from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from runtime.errors import RepertoryError
from serving.orders import carry_out
from serving.progress import Progress, silent
from serving.ray_app import MARK

SAY = f"import json, sys, time\ndef say(e, t): print({MARK!r} + json.dumps(dict(event=e, text=t)), flush=True)\n"


def _python(script: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", SAY + script]


def test_the_answer_is_returned_and_stages_are_reported_on_the_way(tmp_path: Path) -> None:
    seen: list[Progress] = []
    script = "say('stage', 'loading'); time.sleep(0.6); print('noise'); say('ready', '8000')"
    assert carry_out(_python(script), tmp_path / "log", seen.append, "deploying m") == "8000"
    assert "deploying m: loading" in {progress.stage for progress in seen}
    assert {progress.unit for progress in seen} == {"seconds"}


def test_a_failure_is_one_error_with_its_reason_and_the_telling_lines_of_the_log(tmp_path: Path) -> None:
    script = "print('begin'); print('RuntimeError: out of memory'); say('failed', 'Trace:\\n it died'); sys.exit(1)"
    with pytest.raises(RepertoryError) as caught:
        carry_out(_python(script), tmp_path / "log", silent, "deploying m")
    message = str(caught.value)
    assert message.startswith("deploying m failed: it died\n  RuntimeError: out of memory\n")
    assert "begin" not in message
    assert str(tmp_path / "log") in message


def test_a_process_that_ends_without_an_answer_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RepertoryError, match=r"deploying m failed: the process ended with code 3"):
        carry_out(_python("sys.exit(3)"), tmp_path / "log", silent, "deploying m")


@pytest.mark.slow
def test_a_process_that_takes_too_long_is_told_to_end_and_may_undo_what_it_began(tmp_path: Path) -> None:
    script = f"""
import pathlib, signal
def undo(*_): pathlib.Path({str(tmp_path / "undone")!r}).touch(); sys.exit(1)
signal.signal(signal.SIGTERM, undo)
say('stage', 'loading the model')
signal.pause()
"""
    with pytest.raises(RepertoryError, match=r"not done after 2 s, last seen: loading the model"):
        carry_out(_python(script), tmp_path / "log", silent, "deploying m", limit_s=2.0)
    assert (tmp_path / "undone").exists()


def test_an_interrupt_ends_the_process_too(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage.endswith(": up"):
            raise KeyboardInterrupt

    script = "import os, signal; say('stage', 'up'); open({!r}, 'w').write(str(os.getpid())); signal.pause()"
    with pytest.raises(KeyboardInterrupt):
        carry_out(_python(script.format(str(tmp_path / "pid"))), tmp_path / "log", interrupt, "deploying m")
    if (tmp_path / "pid").exists() and (pid := (tmp_path / "pid").read_text(encoding="ascii")):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
