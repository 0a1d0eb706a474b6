package events

import "math"

// renew has the Kafka client meet a topic anew that was deleted and created
// again: it refuses all records of it until it forgets the topic that was. What
// it has forgotten once is not forgotten again for a record that was on its way
// before, since the records of the new one would fail with it.
func (x *sender) renew(s *sending) {
	topic := s.wire.Topic
	if x.closed || s.order <= x.renewed[topic] {
		return
	}
	x.renewed[topic] = math.MaxUint64
	x.renewing.Go(func() {
		x.p.kafka.PurgeTopicsFromProducing(topic)
		x.locked(func() { x.renewed[topic] = x.last })
	})
}
