"""A decoder with a mixture of experts: routers, experts, the losses of routers, names of weights."""
