"""Simulated numbers compared with published and with recorded ones."""
