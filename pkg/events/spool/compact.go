package spool

import "errors"

// compact writes what is left of sparse segments again at the end, and deletes
// them, until there is room for so many bytes more: otherwise one entry that
// cannot be sent would hold on to a whole segment. A crash meanwhile leaves an
// entry twice; the later one is dropped when the spool is opened.
func (s *Spool) compact(need int64) error {
	for _, seg := range s.segments {
		if s.bytes+need <= s.max {
			return nil
		}
		places := s.placesIn(seg)
		var left int64
		for _, p := range places {
			left += p.Bytes
		}
		if seg == s.current || seg.damaged || left > seg.size/2 {
			continue
		}
		if err := s.move(places); err != nil {
			return err
		}
		if err := s.retire(seg); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spool) placesIn(seg *segment) (places []*place) {
	for _, p := range s.entries {
		if p.segment == seg {
			places = append(places, p)
		}
	}
	return places
}

// move writes entries again, into the current segment.
func (s *Spool) move(places []*place) error {
	var text []byte
	var at []int64
	for _, p := range places {
		e, err := s.read(p)
		if err != nil {
			return err
		}
		at = append(at, s.current.size+int64(len(text)))
		text = appendFrame(text, s.current.mark, e)
	}
	if s.bytes+int64(len(text)) > s.max+s.segmentBytes() {
		return errors.New("no room to tidy up")
	}
	if err := s.write(text); err != nil {
		return err
	}
	for i, p := range places {
		p.segment.live--
		s.current.live++
		p.segment, p.at = s.current, at[i]
	}
	return nil
}
