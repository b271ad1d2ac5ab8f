"""A published output as a static site: what there is, what was read, what failed, and what it cost."""
