"""The cost of a training before it begins: arithmetic, memory, communication, days."""
