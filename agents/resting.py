"""What agents without a state of their own share: they sleep and wake without leaving anything behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autogen_core import RoutedAgent


class Stateless(RoutedAgent):
    """A routed agent whose handlers keep nothing from one message to the next."""

    async def save_state(self) -> Mapping[str, Any]:
        """Nothing is kept."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Nothing is restored."""
