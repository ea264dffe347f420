"""Repertory: teams of LLM agents as actors on a Ray cluster, with one journal of everything they did."""
