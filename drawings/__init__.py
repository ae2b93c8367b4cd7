"""Draws what the documents show, from configs and from what runs logged.

Not installed: `python -m drawings.architecture`, `python -m drawings.curves`.
"""
