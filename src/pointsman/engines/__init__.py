"""What is known of the programs that run models on the user's own machine: one row an engine, from its documents and from
recorded answers. Pure: who asks them is upstream/ (and the control plane, where it looks around)."""
