"""The cast: planner, executor, critic, retriever and the person, as autogen-core agents with typed messages."""
