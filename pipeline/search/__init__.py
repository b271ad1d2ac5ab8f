"""Search: how words are compared, the index that grows with each run, and how questions are put to it."""
