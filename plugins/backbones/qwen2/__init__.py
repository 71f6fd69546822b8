"""The Qwen2 architecture (arXiv:2407.10671), which Qwen2.5 (arXiv:2412.15115) shares."""
