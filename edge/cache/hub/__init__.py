"""The Hugging Face hub and Ollama's registry behind the gateway."""
