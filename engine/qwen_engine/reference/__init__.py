"""The upstream libraries behind the engine's seam: what later engines are measured and checked against."""
