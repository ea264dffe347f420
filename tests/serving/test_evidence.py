from __future__ import annotations

import os
from pathlib import Path

from serving.evidence import causes, lines_of, replica_logs

LOG = """\
:job_id:01000000
:actor_name:ServeReplica:m:LLMServer:m
INFO loading, error_rate 0
(Worker pid=18) ERROR 11-23 16:39:33 [multiproc_executor.py:944]     raise ValueError(
(Worker pid=18) ERROR 11-23 16:39:33 [multiproc_executor.py:944] ValueError: Following weights are missing: a.b
(Worker pid=19) ERROR 11-23 16:39:33 [multiproc_executor.py:944] ValueError: Following weights are missing: a.b
(EngineCore pid=17) Exception: WorkerProc initialization failed
ray.exceptions.RayTaskError: see above
""".splitlines()


def test_the_exceptions_are_quoted_once_each_and_the_first_cause_comes_first() -> None:
    assert causes(LOG) == [
        "ValueError: Following weights are missing: a.b",
        "Exception: WorkerProc initialization failed",
        "ray.exceptions.RayTaskError: see above",
    ]


def test_a_log_without_exceptions_has_no_causes() -> None:
    assert causes(["INFO all is well", "an error of 3 %"]) == []


def test_the_newest_model_server_of_the_application_is_found_among_the_workers(tmp_path: Path) -> None:
    for age, (name, actor) in enumerate([("b", "m:LLMServer:m"), ("a", "m:LLMServer:m"), ("c", "other:LLMServer:x")]):
        log = tmp_path / f"worker-{name}.out"
        log.write_text(f":job_id:01\n:actor_name:ServeReplica:{actor}\n", encoding="utf-8")
        os.utime(log, (100 - age, 100 - age))
    assert replica_logs(tmp_path, "m") == [tmp_path / "worker-b.out", tmp_path / "worker-b.err"]
    assert replica_logs(tmp_path, "nobody") == []


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert lines_of(tmp_path / "none.err") == []
