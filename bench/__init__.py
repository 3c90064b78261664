"""The speed of striate beside its peers: `python -m bench` lists and runs what is here."""
