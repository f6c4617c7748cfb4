"""For tests: single kernel calls, a fake device with an address space of its own. May import everything of ours."""
