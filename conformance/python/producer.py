"""The specification's EventProducer, run on lines of JSON from standard input.

The class is the sample's own. A line is an object of emit_event's arguments;
"naive_time": true leaves out the "Z" that the sample appends, as those do who
forget it. Each line is answered with true or false.
"""
import json
import logging
import sys
import uuid
from datetime import datetime

from kafka import KafkaProducer

logger = logging.getLogger("producer")


class EventProducer:
    def __init__(self, bootstrap_servers, service_name, env="prod"):
        self.producer = KafkaProducer(
            bootstrap_servers=bootstrap_servers,
            value_serializer=lambda v: json.dumps(v).encode("utf-8"),
            key_serializer=lambda k: k.encode("utf-8") if k else None,
            acks="all",
            retries=5,
            retry_backoff_ms=100,
            max_in_flight_requests_per_connection=1,
            enable_idempotence=True,
        )
        self.service_name = service_name
        self.env = env

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
        future = self.producer.send(topic, value=event, key=partition_key)
        try:
            future.get(timeout=10)
            return True
        except Exception as e:
            logger.error("Failed to publish event: %s, error: %s", event_type, e)
            self._log_to_dlq(topic, event, str(e))
            return False

    def _log_to_dlq(self, topic, event, error):
        dlq_topic = f"{topic}.dlq"
        event["meta"]["error"] = error
        event["meta"]["original_topic"] = topic
        event["meta"]["dlq_time"] = datetime.utcnow().isoformat() + "Z"
        try:
            self.producer.send(dlq_topic, value=event).get(timeout=10)
        except Exception as e:
            logger.critical("Failed to log to DLQ: %s, error: %s", dlq_topic, e)

    def close(self):
        self.producer.flush()
        self.producer.close()


if __name__ == "__main__":
    producer = EventProducer(sys.argv[1].split(","), sys.argv[2], sys.argv[3])
    for line in sys.stdin:
        print(json.dumps(producer.emit_event(**json.loads(line))), flush=True)
    producer.close()
