"""What a host of agents is made of: agents in cells, each with a loop of its own, their deliveries, and their sleep."""
