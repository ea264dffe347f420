"""The actors, nodes and heads of a Ray cluster, beneath `runtime/cluster.py`."""
