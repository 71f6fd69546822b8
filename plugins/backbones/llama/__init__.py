"""The Llama architecture (arXiv:2302.13971), as DeepSeek-LLM uses it."""
