"""What shows the codec to somebody who has just met it."""
