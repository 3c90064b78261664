"""A run for other programs: PyTorch, torchvision, timm, Hugging Face, Triton."""
