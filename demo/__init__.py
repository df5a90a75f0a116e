"""The synthetic city: people, organisations, land and licences that never existed, and the departments' exports of them.

``city.build(people, seed, today)`` makes one truth; ``exports.deliveries(city)`` derives from it what each department
would send, each with its own share and its own dirt; ``truth.write`` keeps the answers beside it, never read by the
pipeline. Only the divisions of Qingyuan are facts. The same seed makes the same city.
"""
