"""From one protocol to another over the neutral form: adapt, heal, put in order, report losses. Not here: any protocol."""
