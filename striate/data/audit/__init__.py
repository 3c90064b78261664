"""Looking at data before a network learns from it: facts of each picture, copies, findings, a page, a cleaned table."""
