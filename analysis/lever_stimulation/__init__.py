"""Analyses of the two levers alone."""
