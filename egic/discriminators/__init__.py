"""Discriminators of the EGIC study."""
