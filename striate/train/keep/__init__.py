"""What a training leaves on the disk, whole whatever happens."""
