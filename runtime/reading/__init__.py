"""What is read out of journals: replays and where they diverge, two runs side by side, and what came of a run."""
