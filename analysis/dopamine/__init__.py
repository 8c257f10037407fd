"""Dopamine in time: bursts and pauses at the events of a trial, and their shift from reward to stimulus over training."""
