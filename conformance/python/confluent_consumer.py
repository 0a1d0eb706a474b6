"""The specification's EventConsumer on confluent-kafka: its handler prints each
event as a line. It stops after as many events as the last argument says.
"""
import json
import logging
import sys

from confluent_kafka import Consumer

logger = logging.getLogger("consumer")


class EventConsumer:
    def __init__(self, bootstrap_servers, group_id, topics, handlers):
        self.consumer = Consumer({
            "bootstrap.servers": bootstrap_servers,
            "group.id": group_id,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        })
        self.consumer.subscribe(topics)
        self.handlers = handlers
        self.running = False

    def start(self):
        self.running = True
        try:
            while self.running:
                for msg in self.consumer.consume(num_messages=500, timeout=1.0):
                    if msg.error():
                        raise RuntimeError(str(msg.error()))
                    event = json.loads(msg.value().decode("utf-8"))
                    handler = self.handlers.get(event["meta"]["type"])
                    if handler is not None and self.running:
                        handler(event)
                    self.consumer.commit(message=msg, asynchronous=False)
        finally:
            self.consumer.close()

    def stop(self):
        self.running = False


if __name__ == "__main__":
    brokers, group, topic, event_type, count = sys.argv[1:6]
    left = int(count)

    def handle(event):
        global left
        print(json.dumps(event), flush=True)
        left -= 1
        if left == 0:
            consumer.stop()

    consumer = EventConsumer(brokers, group, [topic], {event_type: handle})
    consumer.start()
