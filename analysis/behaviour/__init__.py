"""Choices of animals, simulated or recorded: reward, history, matching, reversals, learning."""
