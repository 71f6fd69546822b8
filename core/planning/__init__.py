"""What training will take, before it begins: arithmetic, memory, communication, days."""
