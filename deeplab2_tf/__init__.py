"""Labelled pictures and semantic segmentation, compatible with DeepLab2 both ways."""
