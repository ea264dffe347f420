"""Where journals are kept: SQLite, PostgreSQL, and what both share. `runtime/journal.py` says what each promises."""
