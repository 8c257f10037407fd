"""Experiments: training, replay, analysis and comparison of a paradigm, stage by stage."""
