"""Readers of recorded data, one module a format (`formats`), and how their columns are named."""
