"""How much `bench/steps.py` has each of the compared do. No import: rivals read it in an environment of their own."""

WARM_UP = 20
"""Steps before anything is timed."""
ALONE = 400
"""Steps of the one run that goes alone."""
FLIGHT = 256
"""Runs at once."""
PER_RUN = 8
"""Steps of each of these."""
