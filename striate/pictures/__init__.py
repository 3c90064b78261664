"""Pictures as pixels: from any file to upright colour, resized by one definition, shown on sheets."""
