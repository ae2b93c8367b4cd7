"""What is done to the codec to see whether it breaks; not part of what is installed."""
