"""Upstream's own tests, fetched when needed and run on our runtime."""
