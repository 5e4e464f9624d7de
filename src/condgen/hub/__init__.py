"""The folders in which runs are shared on the Hugging Face Hub: of a model with its card, and of a Space."""
