"""What many pictures, many devices and large pictures take; see docs/scaling.md."""
