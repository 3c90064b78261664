"""Pictures with labels: opened, audited, prepared, distorted, and handed over in batches."""
