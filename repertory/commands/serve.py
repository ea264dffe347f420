"""`repertory serve`: the model server, vLLM through Ray Serve, which stays up between runs."""

from __future__ import annotations

from typing import Annotated

import typer

from repertory.output import JsonFlag, print_json, print_line, print_table

app = typer.Typer(help="The model server of this machine.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def up(
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A name of `repertory models list`, or a folder of weights.")
    ] = "default",
    tensor_parallel_size: Annotated[
        int | None, typer.Option(min=1, max=64, help="Over how many GPUs or groups of CPU cores a replica is split.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, max=64, help="How many copies answer.")] = 1,
    port: Annotated[int | None, typer.Option(min=1024, max=65535, help="Where it listens, on 127.0.0.1.")] = None,
    json: JsonFlag = False,
) -> None:
    """Serve a model; returns when it answers. A server that does so already is left as it is."""
    from dataclasses import asdict

    from repertory.deployment import served
    from repertory.settings import read_settings
    from serving.blueprint import ServeRequest

    request = ServeRequest(model=model, tensor_parallel_size=tensor_parallel_size, replicas=replicas, port=port)
    deployment = served(request, read_settings())
    if json:
        print_json(asdict(deployment))
    else:
        print_line(f"{deployment.model} answers at {deployment.url}")


@app.command()
def status(json: JsonFlag = False) -> None:
    """Say what is served; nothing is started."""
    from repertory.deployment import serve_state
    from repertory.settings import read_settings

    states = serve_state(read_settings())
    if json:
        print_json(states)
    elif not states:
        print_line("nothing is served; `repertory serve up` serves the default model")
    else:
        rows = [
            (
                each["model"],
                "yes" if each["answers"] else "no",
                each["device"],
                each["tensor_parallel_size"],
                each["url"],
            )
            for each in states
        ]
        print_table([("model", "answers", "device", "split over", "address"), *rows])


@app.command()
def down(
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only this one; default all.")] = None,
) -> None:
    """Stop the model server, and with the last model the Ray that was started for it."""
    from repertory.deployment import serve_stopped
    from repertory.settings import read_settings

    stopped = serve_stopped(read_settings(), model)
    print_line(f"stopped {', '.join(stopped)}" if stopped else "nothing was up")
