"""Models of choice that learn from reward: simulation, fits, and tests of how well a fit recovers them."""
