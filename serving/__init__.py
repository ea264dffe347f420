"""Models: catalogue, weights, the Ray Serve deployment, and the clients that agents see."""
