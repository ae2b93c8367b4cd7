"""Measuring a codec with real files: metrics, baselines, the loop and its report.

Nothing here knows which codec is measured: it is handed in.
"""
