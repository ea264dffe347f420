"""The travel scenario: its domain, data, knowledge and scenario files."""
