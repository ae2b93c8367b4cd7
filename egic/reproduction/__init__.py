"""The paper's tables and figures by name: what they need, and ours beside theirs.

Every experiment is data (`tables`, `figures`); programs are those that train and
measure, on a plan made of the experiment's stages.
"""
