"""How things look: terminal tables, numbers with units, picture grids."""
