"""Analyses of the volatility task alone."""
