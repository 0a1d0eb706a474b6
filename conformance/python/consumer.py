"""The specification's EventConsumer: its handler prints each event as a line.

The class is the sample's own, commits before handlers have finished included;
it stops after as many events as the last argument says.
"""
import json
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from kafka import KafkaConsumer

logger = logging.getLogger("consumer")


class EventConsumer:
    def __init__(self, bootstrap_servers, group_id, topics, handlers, max_poll_records=500):
        self.consumer = KafkaConsumer(
            *topics,
            bootstrap_servers=bootstrap_servers,
            group_id=group_id,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            value_deserializer=lambda v: json.loads(v.decode("utf-8")),
            max_poll_records=max_poll_records,
        )
        self.handlers = handlers
        self.running = False
        self.executor = ThreadPoolExecutor(max_workers=10)

    def start(self):
        self.running = True
        futures = []
        try:
            while self.running:
                messages = self.consumer.poll(timeout_ms=1000, max_records=10)
                for partition, msg_batch in messages.items():
                    for msg in msg_batch:
                        event = msg.value
                        event_type = event["meta"]["type"]
                        if event_type in self.handlers:
                            future = self.executor.submit(
                                self._process_event, event, event_type, msg.partition, msg.offset
                            )
                            futures.append(future)
                done_futures = [f for f in futures if f.done()]
                for future in done_futures:
                    futures.remove(future)
                    if future.exception():
                        logger.error("Event processing error: %s", future.exception())
                self.consumer.commit()
        finally:
            for future in futures:
                future.result()
            self.consumer.close()
            self.executor.shutdown()

    def _process_event(self, event, event_type, partition, offset):
        handler = self.handlers[event_type]
        try:
            handler(event)
            return True
        except Exception as e:
            logger.error("Failed to process event: %s, error: %s", event_type, e)
            return False

    def stop(self):
        self.running = False


if __name__ == "__main__":
    brokers, group, topic, event_type, count = sys.argv[1:6]
    left = int(count)

    lock = threading.Lock()  # ten workers call the handler

    def handle(event):
        global left
        with lock:
            print(json.dumps(event), flush=True)
            left -= 1
            if left == 0:
                consumer.stop()

    consumer = EventConsumer(brokers.split(","), group, [topic], {event_type: handle})
    consumer.start()
