"""What a step is made of."""
