"""Spike trains, recorded or simulated: firing, timescale, coding, conversion of rate networks to neurons."""
