"""`repertory models`: the catalogue of models, and their weights on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from repertory.output import JsonFlag, print_json, print_line

app = typer.Typer(help="Models that are known by name.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_models(json: JsonFlag = False) -> None:
    """List the models of the catalogue and whether their weights are here."""
    from repertory.settings import read_settings
    from serving.catalog import shipped_catalog

    catalog, cache = shipped_catalog(), read_settings().models
    rows = [
        {
            "name": model.name,
            "default": model.name == catalog.default,
            "title": model.title,
            "size_bytes": model.size_bytes,
            "context_length": model.context_length,
            "license": model.license,
            "here": (cache / model.name).is_dir(),
        }
        for model in catalog.models.values()
    ]
    if json:
        print_json(rows)
        return
    for row in rows:
        mark = "*" if row["default"] else " "
        size = f"{int(str(row['size_bytes'])) / 1e9:.2f} GB"
        print_line(f"{mark} {row['name']:<28} {size:>8}  {'here' if row['here'] else '-':<5} {row['title']}")
    print_line(f"* is the default; weights are kept in {cache}")


@app.command()
def pull(model: Annotated[str, typer.Argument(help="A name of `repertory models list`.")] = "default") -> None:
    """Fetch a model's weights, check them, and make what vLLM loads."""
    from repertory.deployment import pulled
    from repertory.settings import read_settings

    print_line(str(pulled(model, read_settings())))
