"""Studies: designs that differ in a few settings, trained with equal budgets and several seeds, and compared."""
