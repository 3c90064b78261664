"""Where pictures with labels come from: folders, tables, archives, arrays, shards, and official places."""
