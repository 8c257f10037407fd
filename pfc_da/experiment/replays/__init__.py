"""Replays of trained animals: as spiking neurons, through the midbrain circuit."""
