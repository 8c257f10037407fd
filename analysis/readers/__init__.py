"""Readers of recorded data: tables of choices, NWB, cells of juice choice."""
