"""The parts of `RayAgentRuntime`: autogen-core's agents in the calling process, every message on record."""
