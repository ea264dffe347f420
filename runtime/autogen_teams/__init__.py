"""The parts of `runtime/durable.py`: AgentChat's teams as agents of the engine."""
