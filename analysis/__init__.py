"""Statistics of behaviour and of activity, the same functions for simulated and for recorded data.

Functions take plain NumPy arrays whose first dimension is the session (an episode of a simulated animal, a
session of a recorded one) and in which -1 (integers) or NaN (floats) marks what is missing; nothing here
imports torch or brian2.
"""
