"""Measures what the codec and its training cost on this machine."""
