"""Running plans: Session, its configuration, feeds and fetches, and the executor.

May import everything below it: framework, plan, devices.
"""
