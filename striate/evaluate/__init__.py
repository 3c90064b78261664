"""From a run to honest figures: how good it is, how sure one can be of that, and how sure it should be of itself."""
