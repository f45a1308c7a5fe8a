"""A Kafka broker to try the stream with: librdkafka's mock cluster, fed by the simulator.

It runs until Ctrl-C and forgets everything then.
"""

from __future__ import annotations

import json
import signal
import sys

from confluent_kafka import Producer

from fin_kedro.simulation.card_transactions import simulate

TOPICS = {"transactions": "card-transactions", "labels": "fraud-labels"}
KEYS = {"transactions": "customer_id", "labels": "transaction_id"}


def main() -> None:
    """Start the broker, send 25 simulated days and a broken message, and stay."""
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    broker = producer.list_topics(timeout=10).brokers[1]
    made = simulate(settings={"days": 25, "factor": 0.03}, seed=1)
    for name, topic in TOPICS.items():
        producer.list_topics(topic, timeout=10)  # asking makes it
        table = getattr(made, name).sort_values("known_us")
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        for row in rows:
            producer.produce(topic, key=str(row[KEYS[name]]), value=json.dumps(row))
        print(f"{len(rows)} messages sent to {topic}")
    producer.produce(TOPICS["transactions"], value="this is no JSON")
    producer.flush(30)
    print(f"broker at {broker.host}:{broker.port}; Ctrl-C ends it", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    sys.exit(main())
