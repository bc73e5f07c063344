"""One file a step, in order; ARCHITECTURE.md tells how to add one."""
