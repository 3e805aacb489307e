"""Watching: which faults are active, what they mean, and what a clerk does about them."""
