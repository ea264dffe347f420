"""Stands in for pytest-asyncio: anyio's plugin, in auto mode, runs the same tests and fixtures."""

import pytest

fixture = pytest.fixture
