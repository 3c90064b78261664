"""What any network costs and sees: one observer of one forward pass gives the ledger."""
