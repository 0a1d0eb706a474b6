package spec

import "errors"

// TopicKind says what a topic is for.
type TopicKind string

// The kinds of topics.
const (
	TopicEvents      TopicKind = "events"       // events themselves
	TopicDeadLetters TopicKind = "dead-letters" // events that failed
	TopicParked      TopicKind = "parked"       // dead letters that are given up
	TopicUnknown     TopicKind = "unknown"      // the name does not follow the conventions
)

// TopicExplanation is what there is to say about a topic name.
type TopicExplanation struct {
	Name string    `json:"name"`
	Kind TopicKind `json:"kind"`
	// Base is the name without a dead-letter or parked suffix.
	Base string `json:"base"`
	// Topic holds the parts of Base; nil when it does not follow the conventions.
	Topic *Topic `json:"topic,omitempty"`
	// Err says what is wrong with Base; nil when nothing is.
	Err *TopicError `json:"error,omitempty"`
}

// ExplainTopic says what a topic is for, what its parts are, or what is wrong
// with its name and what would be right. Unlike [Conventions.ParseTopic] it
// takes dead-letter and parked topics.
func (c Conventions) ExplainTopic(name string) TopicExplanation {
	x := TopicExplanation{Name: name, Kind: TopicEvents}
	switch {
	case c.IsDLQTopic(name):
		x.Kind = TopicDeadLetters
	case c.IsParkedTopic(name):
		x.Kind = TopicParked
	}
	x.Base, _ = c.BaseTopic(name)
	t, err := c.ParseTopic(x.Base)
	if err == nil {
		x.Topic = &t
		return x
	}
	if errors.As(err, &x.Err) && x.Kind == TopicEvents {
		x.Kind = TopicUnknown
	}
	return x
}
