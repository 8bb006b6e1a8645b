"""Drawing shared by pages; each file is a noun with show(...)."""
