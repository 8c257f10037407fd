"""Ideal observers and reference agents of each task."""
