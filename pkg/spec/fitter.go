package spec

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// maxShapes bounds how often a [Fitter] learns how events are written, and
// maxShape what it remembers of it, in bytes.
const (
	maxShapes = 64
	maxShape  = 4 << 10
)

// Fitter judges events as [Conventions.FitsTopic] does, and faster those that
// are written like one which it saw before: a producer's events are alike but
// for their id, time, correlation and data. It is safe for concurrent use.
type Fitter struct {
	conventions *Conventions
	topic       Topic
	shape       atomic.Pointer[shape]
	learned     atomic.Int32
}

// Fitter returns one for a topic.
func (c *Conventions) Fitter(t Topic) *Fitter { return &Fitter{conventions: c, topic: t} }

// Fits reports what FitsTopic does.
func (f *Fitter) Fits(value []byte) bool {
	if s := f.shape.Load(); s != nil && s.fits(value) {
		return true
	}
	r := envelopeReader{value: value}
	data, ok := r.fit(f.conventions, f.topic)
	if ok && f.learned.Load() < maxShapes {
		f.learned.Add(1)
		f.shape.Store(shapeOf(&r, data))
	}
	return ok
}

// shape is how an event that fits is written: the text before each part that
// may be another, and behind the last.
type shape struct {
	texts    []text
	data     string // the text before it
	trailing string
}

// text is a string in meta that may be another.
type text struct {
	before string // up to its quote
	fits   func([]byte) bool
}

// shapeOf returns nil for an event whose data is before its meta, or that is of
// unusual length.
func shapeOf(r *envelopeReader, data span) *shape {
	if data.start < r.meta.end || len(r.value)-(data.end-data.start) > maxShape {
		return nil
	}
	type place struct {
		span
		fits func([]byte) bool
	}
	places := []place{
		{r.fields.id, func(b []byte) bool { return len(b) > 0 }},
		{r.fields.time, isPlainTime},
		{r.fields.correlation, func([]byte) bool { return true }},
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.start, b.start) })
	s, at := &shape{}, 0
	for _, p := range places {
		s.texts = append(s.texts, text{before: string(r.value[at : r.meta.start+p.start+1]), fits: p.fits})
		at = r.meta.start + p.end - 1
	}
	s.data, s.trailing = string(r.value[at:data.start]), string(r.value[data.end:])
	return s
}

// fits reports that a value is written so, which makes it an event that fits:
// another string without escapes, or other data, changes nothing of what the
// text around it means.
func (s *shape) fits(value []byte) bool {
	at := 0
	for i := range s.texts {
		t := &s.texts[i]
		if !hasPrefix(value[at:], t.before) {
			return false
		}
		at += len(t.before)
		end := skipPlain(value, at)
		if !t.fits(value[at:end]) {
			return false
		}
		at = end
	}
	if !hasPrefix(value[at:], s.data) {
		return false
	}
	end, ok := skipValue(value, at+len(s.data), 1)
	return ok && string(value[end:]) == s.trailing
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}
