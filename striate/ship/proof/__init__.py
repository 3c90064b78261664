"""The proof that an exported file answers as the network that it was made from."""
