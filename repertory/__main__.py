"""`python -m repertory`."""

from __future__ import annotations

from repertory.cli import main

if __name__ == "__main__":
    main()
