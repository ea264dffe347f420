"""Talks to Ray Serve, in a process of its own: deploys Serve's own LLM application, or removes it.

    python -m serving.ray_app up|down '{…}'

`serving/deploy.py` starts it: the imports take half a minute and the connection has a namespace of its own, neither of
which the calling process should have to bear. It takes one order and answers with lines that begin with `MARK`;
everything else that it prints is log. Ended before the application runs, it removes it again.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import Any

MARK = "@@serving "
"""How the lines begin that are meant for `serving/deploy.py`: `{"event": …, "text": …}` follows."""


class LocalWeights:
    """Keeps Ray's LLM server from starting two more processes on the way to the first token.

    One would fetch weights, which lie where the order says; the other would gather usage statistics, which are off.
    Each imports Ray's LLM library, and the server waits for both.
    """

    def __new__(cls, **arguments: Any) -> Any:
        """The callback object that Ray asks for, made where its base class can be imported."""
        from ray.llm._internal.common.callbacks.base import CallbackBase
        from ray.llm._internal.serve.core.server import llm_server

        library: Any = llm_server
        library.push_telemetry_report_for_all_models = _report_nothing
        callback = CallbackBase(**arguments)
        callback.ctx.run_init_node = False
        return callback


def _report_nothing(**_: object) -> None:
    """Stands where the usage statistics of Ray's LLM server were."""


def main() -> None:
    """Carry out one order: `up` or `down`, and what it is about as a JSON object."""
    signal.signal(signal.SIGTERM, _leave)
    order = json.loads(sys.argv[2])
    if sys.argv[1] == "up":
        _deploy(**order)
    else:
        _remove(**order)


def _leave(_signal: int, _frame: object) -> None:
    sys.exit(1)


def _deploy(address: str, port: int, name: str, app: dict[str, Any]) -> None:
    _say("stage", "loading Ray Serve and vLLM")
    import ray.serve
    import ray.serve.llm

    serve: Any = ray.serve
    llm: Any = ray.serve.llm
    _connect(address)
    serve.start(http_options={"host": "127.0.0.1", "port": port, "request_timeout_s": 1800})
    try:
        target = serve.RunTarget(llm.build_openai_app(app), name=name, route_prefix=f"/{name}")
        serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)
        _await_running(serve, name)
        answer = str(_port(serve))
    except BaseException:
        serve.delete(name, _blocking=False)
        raise
    _say("ready", answer)


def _connect(address: str) -> None:
    import ray

    library: Any = ray
    library.init(address=address, namespace="serve", log_to_driver=False)


def _await_running(serve: Any, name: str) -> None:
    """Returns when the application runs; exits when a part of it could not start."""
    stage = ""
    while True:
        application = serve.status().applications.get(name)
        status = "NOT_STARTED" if application is None else str(application.status.value)
        if status == "RUNNING":
            return
        if application is not None and status in ("DEPLOY_FAILED", "UNHEALTHY"):
            parts = [part.message for part in application.deployments.values() if part.message]
            _say("failed", "\n".join([application.message, *parts]))
            sys.exit(1)
        if application is not None and (now := _states(application)) != stage:
            stage = now
            _say("stage", stage)
        time.sleep(0.5)


def _states(application: Any) -> str:
    """`LLMServer:… starting, OpenAiIngress running`."""
    parts = application.deployments.items()
    return ", ".join(f"{name} {'/'.join(part.replica_states or ['waiting']).lower()}" for name, part in parts)


def _port(serve: Any) -> int:
    """Where Serve really listens: one that was started earlier keeps its port."""
    return int(serve.context._get_global_client().http_config.port)


def _remove(address: str, names: list[str]) -> None:
    import ray.serve

    serve: Any = ray.serve
    _connect(address)
    for name in names:
        serve.delete(name)
    if not serve.status().applications:
        serve.shutdown()
    _say("ready", "")


def _say(event: str, text: str) -> None:
    print(MARK + json.dumps({"event": event, "text": text}), flush=True)


if __name__ == "__main__":
    main()
