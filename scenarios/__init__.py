"""Scenario files, the wiring of a team from one, and a folder per scenario."""
