"""Agent programs through the gateway: a scripted model that plans, calls tools and ends, in each vendor's protocol."""
