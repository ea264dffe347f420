"""One file per group of commands; `repertory/cli.py` puts them together."""
