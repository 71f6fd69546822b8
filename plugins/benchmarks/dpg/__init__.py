"""DPG-Bench: long prompts, judged by questions about each picture."""
