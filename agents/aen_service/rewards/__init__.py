"""The reward service: specs of children come over HTTP, and their evaluations go back."""
