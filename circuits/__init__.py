"""Spiking circuits in Brian2: the dopamine pathway (LHb, RMTg, VTA) and the spiking copy of a trained network.

Brian2 is imported here and nowhere else (``pip install pfc_da[spiking]``). Nothing is imported by this file, so that
listing and analysing stay light.
"""
