"""The engine: journal, sequencer, steps, hosts. It knows nothing of agents' contents and imports no other folder."""
