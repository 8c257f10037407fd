"""Comparisons of simulated numbers with published and with recorded ones."""
