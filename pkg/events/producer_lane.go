package events

import (
	"cmp"
	"slices"
)

// lane is the order of one key of a topic: what flies, and what is spooled or
// about to be. What has no key shares one, in which nothing waits for another.
type lane struct {
	name   laneName
	keyed  bool
	flying int
	held   []*sending // by order
}

type laneName struct{ topic, key string }

func (x *sender) laneOf(topic string, key []byte) *lane {
	if key == nil {
		return x.loose
	}
	l := x.lanes[laneName{topic, string(key)}]
	if l == nil {
		l = &lane{name: laneName{topic, string(key)}, keyed: true}
		x.lanes[l.name] = l
	}
	return l
}

// tidy forgets a lane in which nothing is left.
func (x *sender) tidy(l *lane) {
	if l.keyed && l.flying == 0 && len(l.held) == 0 {
		delete(x.lanes, l.name)
	}
}

func (l *lane) hold(s *sending) {
	at, _ := l.find(s)
	l.held = slices.Insert(l.held, at, s)
}

func (l *lane) unhold(s *sending) {
	switch at, found := l.find(s); {
	case !found:
	case at == 0: // as mostly: without moving the others
		l.held[0] = nil
		l.held = l.held[1:]
	default:
		l.held = slices.Delete(l.held, at, at+1)
	}
}

func (l *lane) find(s *sending) (int, bool) {
	return slices.BinarySearchFunc(l.held, s.order, func(other *sending, order uint64) int {
		return cmp.Compare(other.order, order)
	})
}
