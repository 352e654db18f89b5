"""Files of models: which tensors they hold, and which bytes a block of a model needs."""
