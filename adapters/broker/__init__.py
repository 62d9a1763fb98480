"""RabbitMQ: its topology and permissions, the way in (consumer), the way out (outlet), a node of our own.

topology = plan(directory.parties(), directory.clients())
await management.ensure(topology, passwords)
outlet = AmqpOutlet(outlet_options, connection, vault, clock, claim_secret)
consumer = Consumer(consumer_options, connection_options, intake, topology.parties, claim_secret, quotas)
"""
