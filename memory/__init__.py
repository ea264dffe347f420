"""Short-term memory (a run's blackboard) and long-term memory (LanceDB), on autogen-core's memory protocol."""
