"""What a training decides by itself, and what it will take."""
