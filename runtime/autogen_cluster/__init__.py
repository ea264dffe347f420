"""The parts of `RayAgentRuntime` with placement `cluster`: agents in Ray actors, the record beside the driver."""
