"""The model: modules of a plan, connected, with the processor that makes its batches."""
