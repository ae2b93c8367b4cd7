"""Segmentation networks: ResNet-50, ASPP and the decoders of DeepLab2."""
