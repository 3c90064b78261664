"""What the operators are: their equations in plain NumPy, forward and backward."""
