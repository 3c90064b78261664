"""The fastest way to run a module on this machine: engines, measured and compared."""
