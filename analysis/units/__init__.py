"""Coding of units: selectivity, decoding, value to choice."""
