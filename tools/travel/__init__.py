"""The travel family of tools over a directory of CSV files."""
