"""Search of the settings that bring simulated animals closest to recorded ones."""
