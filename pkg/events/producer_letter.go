package events

import (
	"errors"
	"strings"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
)

// deadLetter sends the dead letter of a rejected record. Its caller is told
// once it is known where the letter is.
func (p *Producer) deadLetter(s *sending, rejected *RejectedError) {
	done, index := s.done, s.index
	s.done, s.phase = nil, over
	letter := p.newLetter(s.record(), rejected.Err)
	letter.weight, s.weight = s.weight, 0
	letter.done = func(_ int, ack Ack, err error) {
		if err == nil {
			rejected.DeadLetter = &ack
		} else {
			rejected.Spool, rejected.NotKept = keptBy(err)
		}
		done(index, Ack{}, rejected)
	}
	s.follows = letter
	p.launch(letter)
}

// deadLetterSpooled replaces a record in the spool by its dead letter, once
// that is stored or in the spool itself. A letter that is refused stays.
func (p *Producer) deadLetterSpooled(s *sending, rejected *RejectedError) {
	if s.letter {
		p.postpone(s, rejected)
		return
	}
	letter := p.newLetter(s.record(), rejected.Err)
	letter.done = func(_ int, ack Ack, err error) {
		p.locked(func() {
			s.follows = nil
			if dir, notKept := keptBy(err); err != nil && dir == "" {
				p.postpone(s, notKept)
				return
			}
			change := SpoolChange{Change: SpoolDeadLettered, Err: rejected}
			if err == nil {
				change.Ack = &ack
			}
			p.drop(s, change)
		})
	}
	s.follows = letter
	p.launch(letter)
}

// keptBy returns the spool that keeps the event of an outcome, or why none does.
func keptBy(err error) (dir string, notKept error) {
	var rejected *RejectedError
	var unknown *UnknownOutcomeError
	var notSent *NotSentError
	switch {
	case errors.As(err, &rejected):
		dir = rejected.Spool
	case errors.As(err, &unknown):
		dir = unknown.Spool
	case errors.As(err, &notSent):
		dir = notSent.Spool
	}
	if dir == "" {
		notKept = err
	}
	return dir, notKept
}

// newLetter makes the dead letter of a record that never had a place in its
// topic: partition and offset are not told.
func (p *Producer) newLetter(r Record, reason error) *sending {
	conventions := *p.client.cfg.Conventions
	now := time.Now()
	text := strings.ToValidUTF8(reason.Error(), "�")
	value, place := conventions.AddDeadLetter(r.Value, spec.DeadLetter{Error: text, OriginalTopic: r.Topic, Time: now})
	headers, earlier := splitHeaders(r.Headers)
	if place == spec.PlaceNone && earlier[spec.HeaderDLQPlace] != "" {
		place = earlier[spec.HeaderDLQPlace]
	}
	for _, h := range [][2]string{
		{spec.HeaderDLQError, text},
		{spec.HeaderDLQTime, now.UTC().Format(time.RFC3339Nano)},
		{spec.HeaderDLQOriginalTopic, r.Topic},
		{spec.HeaderDLQAttempts, "1"},
		{spec.HeaderDLQPlace, place},
	} {
		headers = append(headers, Header{Key: h[0], Value: []byte(h[1])})
	}
	letter := Record{Topic: conventions.DLQTopic(r.Topic), Key: r.Key, Value: value, Headers: headers}
	s := &sending{since: now, letter: true}
	s.take(&letter)
	return s
}
