"""Tools with effect classes, validation, retries and fallbacks, on autogen-core's tool protocol."""
