"""The vocabulary of both sides: tensors, options, results, events, errors. Knows no model, torch or transport."""
