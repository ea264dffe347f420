"""What goes between a sequencer, its hosts and the driver of a run, whatever carries it."""
