"""`repertory serve`: the model server, vLLM through Ray Serve, which stays up between runs."""

from __future__ import annotations

from typing import Annotated

import typer

from repertory.output import JsonFlag, print_json, print_line

app = typer.Typer(help="The model server of this machine.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def up(
    model: Annotated[str, typer.Option(metavar="NAME", help="A name of `repertory models list`.")] = "default",
    tensor_parallel_size: Annotated[
        int | None, typer.Option(min=1, max=64, help="Over how many devices one replica is spread.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, max=64, help="How many copies answer.")] = 1,
    port: Annotated[int | None, typer.Option(min=1024, max=65535, help="Where it listens, on 127.0.0.1.")] = None,
    json: JsonFlag = False,
) -> None:
    """Serve a model; returns when it answers. A server that does so already is left as it is."""
    from repertory.deployment import ServeOrder, served
    from repertory.settings import read_settings

    order = ServeOrder(model=model, tensor_parallel_size=tensor_parallel_size, replicas=replicas, port=port)
    deployment = served(order, read_settings())
    if json:
        print_json({"url": deployment.url, "model": deployment.model})
    else:
        print_line(f"{deployment.model} answers at {deployment.url}")


@app.command()
def status(json: JsonFlag = False) -> None:
    """Say what is served; nothing is started."""
    from repertory.deployment import serve_state
    from repertory.settings import read_settings

    state = serve_state(read_settings())
    if json:
        print_json(state)
    else:
        print_line("\n".join(f"{name}: {value}" for name, value in state.items()))


@app.command()
def down() -> None:
    """Stop the model server and the Ray that was started for it on this machine."""
    from repertory.deployment import serve_stopped
    from repertory.settings import read_settings

    print_line("stopped" if serve_stopped(read_settings()) else "nothing was up")
