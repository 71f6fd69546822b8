"""Pictures of coloured shapes to change by an instruction, rendered on demand and judged by a verifier."""
