"""`repertory models`: the catalogue of models, and their weights on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from repertory.output import JsonFlag, print_json, print_line, print_table

app = typer.Typer(help="Models that are known by name.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_models(json: JsonFlag = False) -> None:
    """List the models of the catalogue and whether their weights are here."""
    from repertory.settings import read_settings
    from serving.catalog import shipped_catalog
    from serving.weights import is_pulled

    catalog, cache = shipped_catalog(), read_settings().models
    models = [(model, model.name == catalog.default, is_pulled(model, cache)) for model in catalog.models.values()]
    if json:
        kept = {"name", "title", "size_bytes", "context_length", "license"}
        print_json(
            [
                {**model.model_dump(include=kept), "default": is_default, "here": here}
                for model, is_default, here in models
            ]
        )
        return
    rows = [
        (
            "*" if is_default else "",
            model.name,
            f"{model.size_bytes / 1e9:.2f} GB",
            model.context_length,
            model.license,
            "yes" if here else "no",
            model.title,
        )
        for model, is_default, here in models
    ]
    print_table([("", "name", "download", "context", "license", "here", "what it is"), *rows], right=(2, 3))
    print_line(f"* is the default; weights are kept in {cache}")


@app.command()
def pull(
    model: Annotated[str, typer.Argument(help="A name of `repertory models list`.")] = "default",
) -> None:
    """Fetch a model's weights, check them, and make what vLLM loads; print their directory."""
    from repertory.deployment import pulled
    from repertory.settings import read_settings

    print_line(str(pulled(model, read_settings())))
