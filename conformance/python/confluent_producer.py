"""The specification's EventProducer on confluent-kafka, run on lines of JSON from
standard input.

A line is an object of emit_event's arguments; "naive_time": true leaves out the
"Z". Each line is answered with true or false.
"""
import json
import logging
import sys
import uuid
from datetime import datetime

from confluent_kafka import Producer

logger = logging.getLogger("producer")


class EventProducer:
    def __init__(self, bootstrap_servers, service_name, env="prod"):
        self.producer = Producer({
            "bootstrap.servers": bootstrap_servers,
            "acks": "all",
            "retries": 5,
            "retry.backoff.ms": 100,
            "enable.idempotence": True,
        })
        self.service_name = service_name
        self.env = env

    def _send(self, topic, event, key=None):
        outcome = []
        self.producer.produce(topic, value=json.dumps(event).encode("utf-8"), key=key.encode("utf-8") if key else None,
                              on_delivery=lambda err, msg: outcome.append(err))
        if self.producer.flush(10) > 0:
            raise TimeoutError("no acknowledgement")
        if outcome[0] is not None:
            raise RuntimeError(str(outcome[0]))

    def emit_event(self, event_type, data, version="v1", correlation_id=None, partition_key=None, naive_time=False):
        topic = f"{self.env}.{self.service_name}.{event_type}.{version}"
        event = {
            "meta": {
                "id": str(uuid.uuid4()),
                "type": event_type,
                "version": version,
                "source": self.service_name,
                "time": datetime.utcnow().isoformat() + ("" if naive_time else "Z"),
                "correlation_id": correlation_id or "none",
            },
            "data": data,
        }
        try:
            self._send(topic, event, partition_key)
            return True
        except Exception as e:
            logger.error("Failed to publish event: %s, error: %s", event_type, e)
            self._log_to_dlq(topic, event, str(e))
            return False

    def _log_to_dlq(self, topic, event, error):
        event["meta"]["error"] = error
        event["meta"]["original_topic"] = topic
        event["meta"]["dlq_time"] = datetime.utcnow().isoformat() + "Z"
        try:
            self._send(f"{topic}.dlq", event)
        except Exception as e:
            logger.critical("Failed to log to DLQ: %s, error: %s", topic, e)


if __name__ == "__main__":
    producer = EventProducer(sys.argv[1], sys.argv[2], sys.argv[3])
    for line in sys.stdin:
        print(json.dumps(producer.emit_event(**json.loads(line))), flush=True)
